//! Prints the config as a `broker.toml` that means the same (except for secrets, which are hidden), for
//! `--print-effective-config`.

use std::fmt::Write as _;

use super::key::{Key, Kind};
use super::keys;
use super::layers::Layers;
use super::load::Loaded;
use super::value::Value;

/// What was set, and where; all other keys stand beside it as comments, with their defaults.
pub fn effective(loaded: &Loaded) -> String {
    let layers = Layers::of(&loaded.settings);
    let mut text = String::new();
    let in_table = keys::broker_keys()
        .filter(|key| key.is_static() && !key.is_internal())
        .map(|key| key.name);
    let mut names: Vec<&str> = in_table
        .chain(loaded.settings.keys().map(String::as_str))
        .collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let key = keys::broker_key_behind(name).expect("load refuses unknown names");
        let value = layers.set_value_of(name, key).or_else(|| layers.value(key));
        let line = match (value, loaded.origins.get(name)) {
            (None, _) => format!("# {name} is unset"),
            (Some(value), None) => format!("# {} = {}", quoted(name), in_toml(key, &value)),
            (Some(value), Some(origin)) => {
                format!(
                    "{} = {} # from {origin}",
                    quoted(name),
                    in_toml(key, &value)
                )
            }
        };
        writeln!(text, "{line}").expect("a String takes all that is written to it");
    }
    text
}

/// The key's name in TOML. A name that is also the parent of others must stand in quotes.
fn quoted(name: &str) -> String {
    if keys::is_parent(name) {
        format!("\"{name}\"")
    } else {
        name.to_owned()
    }
}

fn in_toml(key: &Key, value: &Value) -> String {
    match key.kind {
        Kind::Boolean | Kind::Int | Kind::Short | Kind::Long | Kind::Double => value.to_string(),
        Kind::String | Kind::List | Kind::Class | Kind::Password => {
            toml::Value::String(value.to_string()).to_string()
        }
    }
}
