//! Reads typed values of broker keys through the layers. Every key that is asked for exists and has the
//! kind that is asked for: a test builds all views.

use super::key::Key;
use super::keys;
use super::layers::Layers;
use super::value::{InvalidValue, Secret, Value};

/// Reads broker keys by name.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) layers: Layers<'a>,
}

const FITS: &str = "the key has a default of this kind";

impl View<'_> {
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.layers.set_value(key(name)).is_some()
    }

    pub(super) fn bool(&self, name: &str) -> bool {
        self.value(name)
            .and_then(|value| value.as_bool())
            .expect(FITS)
    }

    pub(super) fn int(&self, name: &str) -> i32 {
        self.optional_int(name).expect(FITS)
    }

    pub(super) fn optional_int(&self, name: &str) -> Option<i32> {
        let value = self.value(name)?.as_i64().expect(FITS);
        Some(value.try_into().expect(FITS))
    }

    pub(super) fn long(&self, name: &str) -> i64 {
        self.value(name)
            .and_then(|value| value.as_i64())
            .expect(FITS)
    }

    pub(super) fn double(&self, name: &str) -> f64 {
        self.value(name)
            .and_then(|value| value.as_f64())
            .expect(FITS)
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.optional_text(name).expect(FITS)
    }

    pub(super) fn optional_text(&self, name: &str) -> Option<String> {
        Some(self.value(name)?.as_str().expect(FITS).to_owned())
    }

    pub(super) fn optional_secret(&self, name: &str) -> Option<Secret> {
        match self.value(name)? {
            Value::Password(secret) => Some(secret),
            _ => None,
        }
    }

    pub(super) fn list(&self, name: &str) -> Vec<String> {
        self.value(name)
            .and_then(|value| Some(value.as_list()?.to_vec()))
            .expect(FITS)
    }

    /// The list, if somebody has set it.
    pub(super) fn set_list(&self, name: &str) -> Option<Vec<String>> {
        Some(
            self.layers
                .set_value(key(name))?
                .as_list()
                .expect(FITS)
                .to_vec(),
        )
    }

    /// The value of the key with `listener.name.LISTENER.` before its name.
    pub(super) fn of_listener(&self, listener: &str, name: &str) -> Option<Value> {
        let full_name = format!("listener.name.{}.{name}", listener.to_ascii_lowercase());
        self.layers.set_value_of(&full_name, key(name))
    }

    /// A complaint about the value that `name` has.
    pub(super) fn invalid(&self, name: &str, reason: &str) -> InvalidValue {
        let shown = self
            .value(name)
            .map_or_else(|| "null".to_owned(), |value| value.to_string());
        InvalidValue::new(name, shown, reason)
    }

    fn value(&self, name: &str) -> Option<Value> {
        self.layers.value(key(name))
    }
}

fn key(name: &str) -> &'static Key {
    keys::broker_key(name).expect("a test builds every view")
}
