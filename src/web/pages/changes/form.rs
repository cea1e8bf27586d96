//! What was typed: the fields of a form, or of an object of JSON, by their names. And what fields a change has.
//!
//! PURE.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::Value;

use super::Fault;
use crate::web::pages::query::decoded;

/// A field of a form.
pub(in crate::web::pages) struct Field {
    pub(in crate::web::pages) name: &'static str,
    pub(in crate::web::pages) label: &'static str,
    /// What stands below it, in small letters.
    pub(in crate::web::pages) help: &'static str,
    pub(in crate::web::pages) kind: Kind,
    pub(in crate::web::pages) is_required: bool,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web::pages) enum Kind {
    /// What the change is about: it comes with the link to the form.
    Subject,
    /// A line.
    Text,
    /// A value, which may be a secret: no log line has it.
    Value,
    /// A whole number.
    Number,
    /// A few lines, each of its own meaning. JSON has an array of them, or an object for `name=value`.
    Lines,
    /// Yes or no.
    Check,
    /// One of these: what is sent, and what is shown.
    Choice(&'static [(&'static str, &'static str)]),
    /// A broker, or all of them if it is empty.
    Broker,
}

impl Field {
    /// A field that may be left empty.
    pub(in crate::web::pages) const fn new(
        name: &'static str,
        label: &'static str,
        kind: Kind,
        help: &'static str,
    ) -> Self {
        Self {
            name,
            label,
            help,
            kind,
            is_required: false,
        }
    }

    /// The same field, which may not be left empty.
    pub(in crate::web::pages) const fn required(self) -> Self {
        Self {
            is_required: true,
            ..self
        }
    }

    /// Whether log lines may have it.
    pub(super) fn is_logged(&self) -> bool {
        !matches!(self.kind, Kind::Lines | Kind::Value)
    }
}

/// What was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::web::pages) struct Form {
    fields: BTreeMap<String, Vec<String>>,
}

impl Form {
    /// Reads `a=1&b=2`.
    pub(in crate::web::pages) fn of_pairs(text: &str) -> Self {
        let mut form = Self::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let [name, value] = [name, value].map(|it| decoded(&it.replace('+', " ")));
            form.fields.entry(name).or_default().push(value);
        }
        form
    }

    /// Reads an object of JSON.
    ///
    /// # Errors
    /// A sentence, if it is none, or holds more than texts, numbers, lists and pairs of these.
    pub(super) fn of_json(bytes: &[u8]) -> Result<Self, String> {
        let read: Result<Value, _> = serde_json::from_slice(bytes);
        let Ok(Value::Object(object)) = read else {
            return Err("The body is no object of JSON.".to_owned());
        };
        let mut form = Self::default();
        for (name, value) in object {
            let values = match value {
                Value::Null => continue,
                Value::Array(items) => items.iter().map(scalar).collect(),
                Value::Object(pairs) => {
                    let pair = |(name, value): (&String, &Value)| {
                        scalar(value).map(|value| format!("{name}={value}"))
                    };
                    pairs.iter().map(pair).collect()
                }
                value => scalar(&value).map(|value| vec![value]),
            };
            let values: Option<Vec<String>> = values;
            let values = values.ok_or_else(|| format!("{name} holds what it can't hold."))?;
            form.fields.insert(name, values);
        }
        Ok(form)
    }

    /// The field exactly as it was typed.
    pub(in crate::web::pages) fn exactly(&self, name: &str) -> &str {
        let first = self.fields.get(name).and_then(|values| values.first());
        first.map_or("", String::as_str)
    }

    /// The field as it was typed, without space around it; nothing if it was not.
    pub(in crate::web::pages) fn text(&self, name: &str) -> &str {
        self.exactly(name).trim()
    }

    /// A field that may not be empty.
    ///
    /// # Errors
    /// It is.
    pub(in crate::web::pages) fn required(&self, name: &'static str) -> Result<&str, Fault> {
        match self.text(name) {
            "" => Err(Fault::wrong(name, "This is needed.")),
            text => Ok(text),
        }
    }

    /// A number, if one was typed.
    ///
    /// # Errors
    /// It is none, or not one of that size.
    pub(in crate::web::pages) fn number<T: FromStr>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, Fault> {
        match self.text(name) {
            "" => Ok(None),
            text => {
                let number = text.parse().map(Some);
                number.map_err(|_| Fault::wrong(name, "This has to be a whole number."))
            }
        }
    }

    /// Whether a box is ticked.
    pub(in crate::web::pages) fn is_ticked(&self, name: &str) -> bool {
        matches!(self.text(name), "on" | "true")
    }

    /// The lines of a field that hold something.
    pub(in crate::web::pages) fn lines(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.fields.get(name).into_iter().flatten();
        let lines = values.flat_map(|value| value.lines()).map(str::trim);
        lines.filter(|line| !line.is_empty())
    }

    /// Fills a field in.
    pub(in crate::web::pages) fn set(&mut self, name: &str, value: String) {
        self.fields.insert(name.to_owned(), vec![value]);
    }

    /// All that was typed in a field.
    pub(super) fn typed(&self, name: &str) -> String {
        let values = self.fields.get(name).map(|values| values.join("\n"));
        values.unwrap_or_default()
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(form: &Form) -> Vec<&str> {
        form.lines("configs").collect()
    }

    #[test]
    fn a_form_and_an_object_of_json_say_the_same() {
        let form =
            Form::of_pairs("topic=a%26b&partitions=3&configs=x%3D1%0D%0A%0D%0Ay%3Db+c&all=on");
        let json = br#"{"topic": "a&b", "partitions": 3, "configs": {"x": 1, "y": "b c"}, "all": true, "no": null}"#;
        let json = Form::of_json(json).unwrap();

        for form in [&form, &json] {
            assert_eq!(form.text("topic"), "a&b");
            assert_eq!(form.number("partitions"), Ok(Some(3)));
            assert_eq!(lines(form), ["x=1", "y=b c"]);
            assert!(form.is_ticked("all") && !form.is_ticked("no"));
        }
        let list = Form::of_json(br#"{"configs": ["x=1", "y=b c"]}"#).unwrap();
        assert_eq!(lines(&list), ["x=1", "y=b c"]);
    }

    #[test]
    fn what_is_no_object_of_json_is_refused() {
        for wrong in ["", "[]", "1", "{", r#"{"a": [[1]]}"#, r#"{"a": {"b": {}}}"#] {
            assert!(Form::of_json(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_number_is_told_by_its_field() {
        let form = Form::of_pairs("a=x&b=300&c=");

        assert_eq!(form.number::<i8>("a").unwrap_err().field(), Some("a"));
        assert_eq!(form.number::<i8>("b").unwrap_err().field(), Some("b"));
        assert_eq!(form.number::<i8>("c"), Ok(None));
        assert!(form.required("c").is_err());
    }
}
