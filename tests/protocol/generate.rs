//! Values made up from a definition, written as bytes without the encoder that is under test.

use broker::protocol::schema::{FieldSchema, Kind, Schema};

/// A generator of numbers (SplitMix64) that a seed determines.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// The seed of a test: `SEED` in the environment, or `default`. Failures print it.
pub fn seed(default: u64) -> u64 {
    std::env::var("SEED").map_or(default, |seed| seed.parse().expect("SEED is a number"))
}

/// The bytes of a value that `schema` allows in `version`, in the one form that encoders choose:
/// tagged fields ascend, and differ from their default.
pub fn message(schema: &Schema, version: i16, random: &mut Random) -> Vec<u8> {
    generate(schema, version, random, false)
}

/// As [`message`], but many tagged fields have their default, which encoders leave out.
pub fn message_with_defaults(schema: &Schema, version: i16, random: &mut Random) -> Vec<u8> {
    generate(schema, version, random, true)
}

fn generate(schema: &Schema, version: i16, random: &mut Random, plain: bool) -> Vec<u8> {
    let mut generator = Generator {
        version,
        flexible: version >= schema.first_flexible,
        plain,
        random,
        bytes: Vec::new(),
    };
    generator.structure(schema, false);
    generator.bytes
}

struct Generator<'a> {
    version: i16,
    flexible: bool,
    /// Values are such as defaults are: zero, negative, empty, null.
    plain: bool,
    random: &'a mut Random,
    bytes: Vec<u8>,
}

impl Generator<'_> {
    /// With `distinct` the value is not the default, whatever that is.
    fn structure(&mut self, schema: &Schema, distinct: bool) {
        let has = |field: &&FieldSchema| {
            field.versions.0 <= self.version && self.version <= field.versions.1
        };
        let fields: Vec<&FieldSchema> = schema.fields.iter().filter(has).collect();
        for field in fields.iter().filter(|field| field.tag.is_none()) {
            self.field(field, distinct);
        }
        if self.flexible {
            let tagged = fields.into_iter().filter(|field| field.tag.is_some());
            self.tagged(tagged.collect());
        }
    }

    fn tagged(&mut self, mut fields: Vec<&FieldSchema>) {
        fields.retain(|_| self.random.once_in(2));
        self.uvarint(fields.len());
        for field in fields {
            let before = std::mem::take(&mut self.bytes);
            self.field(field, !self.plain);
            let body = std::mem::replace(&mut self.bytes, before);
            self.uvarint(field.tag.expect("only tagged fields come here") as usize);
            self.uvarint(body.len());
            self.bytes.extend(body);
        }
    }

    fn field(&mut self, field: &FieldSchema, distinct: bool) {
        match &field.kind {
            Kind::Nullable(inner) if self.version >= field.nullable_from => {
                // What is a payload here is not nullable there.
                let is_null = self.random.once_in(4) && field.name != "unaligned_records";
                match (is_null && !distinct, field.tag, inner) {
                    (true, Some(_), Kind::Struct(_)) => self.bytes.push(0),
                    (is_null, ..) => self.nullable(inner, is_null, distinct),
                }
            }
            Kind::Nullable(inner) => self.value(inner, distinct),
            kind => self.value(kind, distinct),
        }
    }

    fn nullable(&mut self, kind: &Kind, is_null: bool, distinct: bool) {
        match (kind, is_null) {
            (Kind::Struct(_), true) => self.bytes.push(0xff),
            (Kind::Struct(_), false) => {
                self.bytes.push(1);
                self.value(kind, distinct);
            }
            (_, true) if self.flexible => self.uvarint(0),
            (Kind::String, true) => self.bytes.extend((-1_i16).to_be_bytes()),
            (_, true) => self.bytes.extend((-1_i32).to_be_bytes()),
            (_, false) => self.value(kind, distinct),
        }
    }

    fn value(&mut self, kind: &Kind, distinct: bool) {
        match kind {
            Kind::Bool if distinct => self.bytes.push(1),
            Kind::Bool => {
                let value = self.random.below(2);
                self.bytes.push(value as u8);
            }
            Kind::Int8 => self.number(1, distinct),
            Kind::Int16 | Kind::Uint16 => self.number(2, distinct),
            Kind::Int32 | Kind::Uint32 => self.number(4, distinct),
            Kind::Int64 => self.number(8, distinct),
            Kind::Float64 => {
                let value = self.random.below(1_000_000) as f64 / 64.0;
                self.bytes.extend(value.to_be_bytes());
            }
            Kind::Uuid => {
                self.number(8, distinct);
                self.number(8, distinct);
            }
            Kind::String => self.string(usize::from(distinct)),
            Kind::Bytes => self.opaque(usize::from(distinct)),
            Kind::Nullable(inner) => {
                let is_null = !distinct && self.random.once_in(4);
                self.nullable(inner, is_null, distinct);
            }
            Kind::Array(element) => {
                let count = self.random.below(3) + usize::from(distinct);
                self.length(count, 4);
                for _ in 0..count {
                    self.value(element, distinct);
                }
            }
            Kind::Struct(schema) => self.structure(schema, distinct),
        }
    }

    /// Small and negative ones are as likely as any; distinct ones are no likely default.
    fn number(&mut self, size: usize, distinct: bool) {
        let any = self.random.next();
        let value = match self.random.below(4) {
            _ if self.plain => (any % 3).wrapping_neg(),
            _ if distinct => any % 100 + 10,
            0 => any % 3,
            1 => (any % 3).wrapping_neg(),
            _ => any,
        };
        self.bytes.extend(&value.to_be_bytes()[8 - size..]);
    }

    fn string(&mut self, min_length: usize) {
        let limit = if self.plain { 2 } else { 12 };
        let count = self.random.below(limit) + min_length;
        let text: String = (0..count)
            .map(|_| ['a', 'Z', '7', '-', '.', 'é', '≤', '𝄞'][self.random.below(8)])
            .collect();
        self.length(text.len(), 2);
        self.bytes.extend(text.as_bytes());
    }

    /// Some are so long that they are passed on instead of copied.
    fn opaque(&mut self, min_length: usize) {
        let limit = if self.random.once_in(8) { 3_000 } else { 20 };
        let count = self.random.below(limit) + min_length;
        self.length(count, 4);
        let fill = self.random.next() as u8;
        self.bytes.extend(std::iter::repeat_n(fill, count));
    }

    fn length(&mut self, length: usize, old_size: usize) {
        if self.flexible {
            self.uvarint(length + 1);
        } else {
            self.bytes
                .extend(&(length as u64).to_be_bytes()[8 - old_size..]);
        }
    }

    fn uvarint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

#[test]
fn every_generated_value_is_read_and_written_as_it_was() {
    let seed = seed(1);
    let mut random = Random::new(seed);
    for case in crate::cases::all() {
        for version in case.versions.clone() {
            for _ in 0..50 {
                let bytes = message(case.schema, version, &mut random);
                let again = case.recode(bytes.clone().into(), version);
                let again = again.map(|bytes| bytes.to_vec());
                assert_eq!(again, Ok(bytes), "{} {version}, SEED={seed}", case.name);
            }
        }
    }
}
