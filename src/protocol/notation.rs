//! `message!`, the notation that messages are defined in.
//!
//! A definition gives each field its type, the versions that have it (all, if none are given), the versions
//! in which it may be null, its tag and its default. The struct, its `Default`, decoding and encoding
//! follow from it. A field that a version lacks is dropped on encoding, and has its default after decoding.
//! Tagged fields are written if they differ from their default; unknown ones are skipped.

/// The versions that have a field, from the brackets after its type.
macro_rules! field_versions {
    ([$min:literal + $(, null $null:literal +)?]) => {
        ($min, i16::MAX)
    };
    ([$min:literal - $max:literal $(, null $null:literal +)?]) => {
        ($min, $max)
    };
    ([$(null $null:literal +)?]) => {
        (0, i16::MAX)
    };
}

/// Whether `$version` has a field.
macro_rules! has_field {
    ($version:ident, [$min:literal + $(, null $null:literal +)?]) => {
        $version >= $min
    };
    ($version:ident, [$min:literal - $max:literal $(, null $null:literal +)?]) => {
        matches!($version, $min..=$max)
    };
    ($version:ident, [$(null $null:literal +)?]) => {
        true
    };
}

/// The first version in which a nullable field may be null.
macro_rules! nullable_from {
    ([null $min:literal +]) => {
        $min
    };
    ([$first:literal $(+)? $(- $last:literal)?, null $min:literal +]) => {
        $min
    };
    ([$($first:literal $(+)? $(- $last:literal)?)?]) => {
        0
    };
}

/// The value of a field that neither the definition nor the bytes give.
macro_rules! default_value {
    ($type:ty, ) => {
        <$type as Default>::default()
    };
    ($type:ty, $default:expr) => {
        $default
    };
}

/// Reads a field; null is refused in versions that do not allow it.
macro_rules! read_field {
    ($reader:ident, $version:ident, $flexible:ident, $type:ty, [null $min:literal +]) => {
        if $version >= $min {
            <$type as $crate::protocol::field::Field>::read($reader, $version, $flexible)?
        } else {
            Some($crate::protocol::field::Field::read($reader, $version, $flexible)?)
        }
    };
    ($reader:ident, $version:ident, $flexible:ident, $type:ty, [$first:literal $(+)? $(- $last:literal)?, null $min:literal +]) => {
        read_field!($reader, $version, $flexible, $type, [null $min +])
    };
    ($reader:ident, $version:ident, $flexible:ident, $type:ty, [$($first:literal $(+)? $(- $last:literal)?)?]) => {
        <$type as $crate::protocol::field::Field>::read($reader, $version, $flexible)?
    };
}

/// Writes a field, or adds its size; null is written as empty in versions that do not allow it.
macro_rules! put_field {
    ($method:ident, $field:expr, $to:ident, $version:ident, $flexible:ident, [null $min:literal +]) => {
        if $version >= $min {
            $crate::protocol::field::Field::$method(&$field, $to, $version, $flexible);
        } else {
            let empty = Default::default();
            let value = $field.as_ref().unwrap_or(&empty);
            $crate::protocol::field::Field::$method(value, $to, $version, $flexible);
        }
    };
    ($method:ident, $field:expr, $to:ident, $version:ident, $flexible:ident, [$first:literal $(+)? $(- $last:literal)?, null $min:literal +]) => {
        put_field!($method, $field, $to, $version, $flexible, [null $min +])
    };
    ($method:ident, $field:expr, $to:ident, $version:ident, $flexible:ident, [$($first:literal $(+)? $(- $last:literal)?)?]) => {
        $crate::protocol::field::Field::$method(&$field, $to, $version, $flexible)
    };
}

/// The first flexible version of a definition.
macro_rules! first_flexible {
    (never) => {
        i16::MAX
    };
    ($version:literal) => {
        $version
    };
}

/// The last version of a definition.
macro_rules! max_version {
    ($only:literal) => {
        $only
    };
    ($min:literal - $max:literal) => {
        $max
    };
}

/// Raises `throttle_time_ms`, and leaves any other field as it is.
macro_rules! raise_throttle_time {
    ($message:ident, $milliseconds:ident, throttle_time_ms) => {
        $message.throttle_time_ms = $message.throttle_time_ms.max($milliseconds);
        return $message.throttle_time_ms;
    };
    ($message:ident, $milliseconds:ident, $other:ident) => {};
}

/// Defines a message: the struct of its name, and those that it contains.
///
/// ```ignore
/// message! {
///     ExampleRequest: versions 1-4, first flexible 3;
///
///     pub struct ExampleRequest {
///         name: Str,                              // in all versions
///         partitions: Option<Vec<i32>> [2+],      // from version 2 on, nullable
///         topics: Option<Vec<Str>> [null 2+],     // in all versions, nullable from 2 on
///         timeout_ms: i32 [1-3] = 60_000,         // up to version 3; the default if absent
///     }
///     tagged {
///         0 => cluster_id: Option<Str> [4+],
///     }
/// }
/// ```
macro_rules! message {
    (
        $message:ident: versions $min_version:literal $(- $max_version:literal)?, first flexible $first_flexible:tt;
        $(
            $(#[$meta:meta])*
            pub struct $name:ident {
                $(
                    $(#[$field_meta:meta])*
                    $field:ident: $type:ty $([$($when:tt)*])? $(= $default:expr)?,
                )*
            }
            $(tagged {
                $(
                    $(#[$tagged_meta:meta])*
                    $tag:literal => $tagged:ident: $tagged_type:ty $([$($tagged_when:tt)*])? $(= $tagged_default:expr)?,
                )*
            })?
        )+
    ) => {
        impl $crate::protocol::message::Message for $message {
            const MIN_VERSION: i16 = $min_version;
            const MAX_VERSION: i16 = max_version!($min_version $(- $max_version)?);
            const FIRST_FLEXIBLE: i16 = first_flexible!($first_flexible);
        }

        $(
            $(#[$meta])*
            #[derive(Clone, Debug, PartialEq)]
            pub struct $name {
                $($(#[$field_meta])* pub $field: $type,)*
                $($($(#[$tagged_meta])* pub $tagged: $tagged_type,)*)?
            }

            impl Default for $name {
                fn default() -> Self {
                    Self {
                        $($field: default_value!($type, $($default)?),)*
                        $($($tagged: default_value!($tagged_type, $($tagged_default)?),)*)?
                    }
                }
            }

            impl $crate::protocol::message::Struct for $name {
                const SCHEMA: &'static $crate::protocol::schema::Schema =
                    &$crate::protocol::schema::Schema {
                        name: stringify!($name),
                        first_flexible: first_flexible!($first_flexible),
                        fields: &[
                            $(field_schema!($field, $type, None, [$($($when)*)?]),)*
                            $($(field_schema!($tagged, $tagged_type, Some($tag), [$($($tagged_when)*)?]),)*)?
                        ],
                    };

                #[allow(clippy::arithmetic_side_effects, reason = "a sum of a few small sizes")]
                fn min_size(version: i16) -> usize {
                    let flexible = version >= first_flexible!($first_flexible);
                    #[allow(unused_mut, reason = "there are structs without fields")]
                    let mut size = usize::from(flexible);
                    $(
                        if has_field!(version, [$($($when)*)?]) {
                            size += <$type as $crate::protocol::field::Field>::min_size(version, flexible);
                        }
                    )*
                    size
                }

                #[allow(
                    unused_variables, unreachable_code,
                    reason = "most structs have no such field, and it is rarely the last"
                )]
                fn raise_throttle_time(&mut self, milliseconds: i32) -> i32 {
                    let message = self;
                    $(raise_throttle_time!(message, milliseconds, $field);)*
                    0
                }
            }

            impl $crate::protocol::message::Decode for $name {
                fn decode(
                    reader: &mut $crate::protocol::Reader,
                    version: i16,
                ) -> Result<Self, $crate::protocol::DecodeError> {
                    let flexible = version >= first_flexible!($first_flexible);
                    #[allow(unused_mut, reason = "only tagged fields are set later")]
                    let mut value = Self {
                        $($field: if has_field!(version, [$($($when)*)?]) {
                            read_field!(reader, version, flexible, $type, [$($($when)*)?])
                        } else {
                            default_value!($type, $($default)?)
                        },)*
                        $($($tagged: default_value!($tagged_type, $($tagged_default)?),)*)?
                    };
                    if flexible {
                        read_tags!(
                            reader, version, value
                            $($(, $tag => $tagged: [$($($tagged_when)*)?])*)?
                        );
                    }
                    Ok(value)
                }
            }

            impl $crate::protocol::message::Encode for $name {
                fn add_size(&self, size: &mut $crate::protocol::Size, version: i16) {
                    let flexible = version >= first_flexible!($first_flexible);
                    $(
                        if has_field!(version, [$($($when)*)?]) {
                            put_field!(add_size, self.$field, size, version, flexible, [$($($when)*)?]);
                        }
                    )*
                    if flexible {
                        #[allow(unused_mut, reason = "only counted where fields are tagged")]
                        let mut count = 0_u32;
                        $($(
                            if has_field!(version, [$($($tagged_when)*)?])
                                && self.$tagged != default_value!($tagged_type, $($tagged_default)?)
                            {
                                count = count.saturating_add(1);
                                $crate::protocol::field::add_tagged_size($tag, &self.$tagged, size, version);
                            }
                        )*)?
                        size.add($crate::protocol::varint::size_u32(count));
                    }
                }

                fn encode(&self, writer: &mut $crate::protocol::Writer, version: i16) {
                    let flexible = version >= first_flexible!($first_flexible);
                    $(
                        if has_field!(version, [$($($when)*)?]) {
                            put_field!(write, self.$field, writer, version, flexible, [$($($when)*)?]);
                        }
                    )*
                    if flexible {
                        #[allow(unused_mut, reason = "only counted where fields are tagged")]
                        let mut count = 0_u32;
                        $($(
                            if has_field!(version, [$($($tagged_when)*)?])
                                && self.$tagged != default_value!($tagged_type, $($tagged_default)?)
                            {
                                count = count.saturating_add(1);
                            }
                        )*)?
                        writer.uvarint(count);
                        $($(
                            if has_field!(version, [$($($tagged_when)*)?])
                                && self.$tagged != default_value!($tagged_type, $($tagged_default)?)
                            {
                                $crate::protocol::field::write_tagged($tag, &self.$tagged, writer, version);
                            }
                        )*)?
                    }
                }
            }
        )+
    };
}

/// A field's definition as data.
macro_rules! field_schema {
    ($name:ident, $type:ty, $tag:expr, [$($when:tt)*]) => {
        $crate::protocol::schema::FieldSchema {
            name: stringify!($name),
            kind: <$type as $crate::protocol::field::Field>::KIND,
            versions: field_versions!([$($when)*]),
            nullable_from: nullable_from!([$($when)*]),
            tag: $tag,
        }
    };
}

/// Reads the tagged fields at the end of a struct.
macro_rules! read_tags {
    ($reader:ident, $version:ident, $value:ident) => {
        $reader.skip_tags()?
    };
    ($reader:ident, $version:ident, $value:ident $(, $tag:literal => $field:ident: [$($when:tt)*])+) => {
        $reader.tags(&mut |reader, tag| match tag {
            $(
                $tag if has_field!($version, [$($when)*]) => {
                    $value.$field = $crate::protocol::field::Field::read_tagged(reader, $version)?;
                    Ok(true)
                }
            )+
            _ => Ok(false),
        })?
    };
}

/// Connects a request with its API and its response.
macro_rules! api {
    ($key:ident: $request:ident -> $response:ident) => {
        impl $crate::protocol::message::Request for $request {
            const KEY: $crate::protocol::ApiKey = $crate::protocol::ApiKey::$key;
            type Response = $response;
        }
    };
}
