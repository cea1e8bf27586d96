//! Requests of every API, in which one array is as long as fits.

use broker::protocol::message::Struct as _;
use broker::protocol::messages;
use broker::protocol::schema::{FieldSchema, Kind, Schema};
use broker::protocol::{ApiKey, Request};

use crate::for_each_api;

/// The requests of all APIs.
pub fn requests() -> Vec<(ApiKey, &'static Schema)> {
    let mut all = Vec::new();
    macro_rules! add {
        ($($module:ident::{$request:ident, $response:ident}),* $(,)?) => {$(
            let key = messages::$module::$request::KEY;
            all.push((key, messages::$module::$request::SCHEMA));
        )*};
    }
    for_each_api!(add);
    all
}

/// The path of field names to each array of a struct.
pub fn arrays(schema: &Schema, version: i16) -> Vec<Vec<&'static str>> {
    let mut found = Vec::new();
    for field in fields(schema, version) {
        let Some(element) = element_of(&field.kind) else {
            continue;
        };
        found.push(vec![field.name]);
        if let Kind::Struct(inner) = element {
            let below = arrays(inner, version).into_iter();
            found.extend(below.map(|path| [vec![field.name], path].concat()));
        }
    }
    found
}

fn element_of(kind: &Kind) -> Option<&Kind> {
    match kind {
        Kind::Array(element) => Some(element),
        Kind::Nullable(inner) => element_of(inner),
        _ => None,
    }
}

/// The fields that are not tagged.
fn fields(schema: &Schema, version: i16) -> impl Iterator<Item = &'static FieldSchema> {
    let has = move |field: &&FieldSchema| {
        let (first, last) = field.versions;
        field.tag.is_none() && (first..=last).contains(&version)
    };
    schema.fields.iter().filter(has)
}

/// What is in the array that is as long as fits.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// Names differ from each other.
    pub distinct: bool,
    /// Arrays within have one element each, not none.
    pub nested: bool,
}

impl How {
    pub const ALL: [Self; 4] = [
        Self::new(false, false),
        Self::new(false, true),
        Self::new(true, false),
        Self::new(true, true),
    ];

    const fn new(distinct: bool, nested: bool) -> Self {
        Self { distinct, nested }
    }
}

/// Writes a request in which one array is as long as fits.
pub struct Filler {
    version: i16,
    flexible: bool,
    most: usize,
    how: How,
    names: u32,
    bytes: Vec<u8>,
}

impl Filler {
    pub fn request(
        (key, schema): (ApiKey, &Schema),
        version: i16,
        path: &[&str],
        most: usize,
        how: How,
    ) -> Vec<u8> {
        let flexible = version >= schema.first_flexible;
        let mut filler = Self {
            version,
            flexible,
            most,
            how,
            names: 0,
            bytes: Vec::new(),
        };
        filler.bytes.extend((key as i16).to_be_bytes());
        filler.bytes.extend(version.to_be_bytes());
        filler.bytes.extend(7_i32.to_be_bytes());
        filler.bytes.extend((-1_i16).to_be_bytes());
        if flexible {
            filler.bytes.push(0);
        }
        filler.structure(schema, path);
        let length = u32::try_from(filler.bytes.len()).expect("it is bounded");
        [&length.to_be_bytes()[..], &filler.bytes].concat()
    }

    fn structure(&mut self, schema: &Schema, path: &[&str]) {
        for field in fields(schema, self.version) {
            let below = match path.split_first() {
                Some((first, below)) if *first == field.name => Some(below),
                _ => None,
            };
            self.field(field, below);
        }
        if self.flexible {
            self.bytes.push(0);
        }
    }

    fn field(&mut self, field: &FieldSchema, path: Option<&[&str]>) {
        match (element_of(&field.kind), path) {
            (Some(element), Some([])) => self.fill(field.name, element),
            (Some(element), Some(below)) => {
                self.length(1, 4);
                self.value(field.name, element, below);
            }
            (Some(element), None) if self.how.nested => {
                self.length(1, 4);
                self.value(field.name, element, &[]);
            }
            (Some(_), None) => self.length(0, 4),
            (None, _) => self.value(field.name, &field.kind, &[]),
        }
    }

    /// Elements until the request is as long as it may be. Their number is not known before, so the
    /// array is written apart.
    fn fill(&mut self, name: &str, element: &Kind) {
        let before = std::mem::take(&mut self.bytes);
        let most = self.most - before.len() - 64;
        let mut count = 0;
        while self.bytes.len() < most && count < 1_000_000 {
            self.value(name, element, &[]);
            count += 1;
        }
        let elements = std::mem::replace(&mut self.bytes, before);
        self.length(count, 4);
        self.bytes.extend(elements);
    }

    fn value(&mut self, name: &str, kind: &Kind, path: &[&str]) {
        match kind {
            Kind::Bool => self.bytes.push(u8::from(!name.contains("auto"))),
            // A topic, of configs.
            Kind::Int8 => self.bytes.push(2),
            Kind::Int16 if name == "acks" => self.bytes.extend([0, 1]),
            Kind::Int16 | Kind::Uint16 => self.bytes.extend([0; 2]),
            Kind::Int32 | Kind::Uint32 => self.bytes.extend([0; 4]),
            Kind::Int64 | Kind::Float64 => self.bytes.extend([0; 8]),
            Kind::Uuid => self.bytes.extend([0; 16]),
            Kind::String => self.name(),
            Kind::Bytes => self.length(0, 4),
            Kind::Nullable(inner) => {
                if matches!(**inner, Kind::Struct(_)) {
                    self.bytes.push(1);
                }
                self.value(name, inner, path);
            }
            Kind::Array(element) if self.how.nested => {
                self.length(1, 4);
                self.value(name, element, &[]);
            }
            Kind::Array(_) => self.length(0, 4),
            Kind::Struct(schema) => self.structure(schema, path),
        }
    }

    fn name(&mut self) {
        self.names += 1;
        let name = if self.how.distinct {
            format!("{:x}", self.names)
        } else {
            "t".to_owned()
        };
        self.length(name.len(), 2);
        self.bytes.extend(name.as_bytes());
    }

    fn length(&mut self, length: usize, width: usize) {
        if !self.flexible {
            self.bytes
                .extend(&(length as u32).to_be_bytes()[4 - width..]);
            return;
        }
        let mut left = length + 1;
        while left >= 0x80 {
            self.bytes.push((left & 0x7f) as u8 | 0x80);
            left >>= 7;
        }
        self.bytes.push(left as u8);
    }
}
