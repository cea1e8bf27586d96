//! The notation of the tables: the `keys!` and `topic_keys!` rows, and short names for rules.

use crate::config::rule::Rule;

pub(super) const ANY: Rule = Rule::Any;
pub(super) const NOT_EMPTY: Rule = Rule::NotEmpty;
pub(super) const LIST: Rule = Rule::List {
    allowed: &[],
    may_be_empty: true,
};
pub(super) const FILLED_LIST: Rule = Rule::List {
    allowed: &[],
    may_be_empty: false,
};

pub(super) const MINUTE_MS: i64 = 60 * 1000;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;

pub(super) const fn at_least(min: i64) -> Rule {
    Rule::Range(Some(min as f64), None)
}

pub(super) const fn between(min: i64, max: i64) -> Rule {
    Rule::Range(Some(min as f64), Some(max as f64))
}

pub(super) const fn one_of(choices: &'static [&'static str]) -> Rule {
    Rule::OneOf(choices)
}

pub(super) const fn one_of_any_case(choices: &'static [&'static str]) -> Rule {
    Rule::OneOfAnyCase(choices)
}

pub(super) const fn list_of(allowed: &'static [&'static str]) -> Rule {
    Rule::List {
        allowed,
        may_be_empty: true,
    }
}

pub(super) const fn filled_list_of(allowed: &'static [&'static str]) -> Rule {
    Rule::List {
        allowed,
        may_be_empty: false,
    }
}

macro_rules! default_value {
    (unset) => {
        $crate::config::key::KeyDefault::Unset
    };
    ($text:literal) => {
        $crate::config::key::KeyDefault::Is($text)
    };
}

/// A table of broker keys, all of one scope.
macro_rules! keys {
    (
        $table:ident: $scope:ident;
        $(
            $name:literal: $kind:ident = $default:tt, $rule:expr;
            $importance:ident $update:ident $status:ident;
            $doc:literal;
        )*
    ) => {
        pub(super) const $table: &[$crate::config::key::Key] = &[$($crate::config::key::Key {
            name: $name,
            kind: $crate::config::key::Kind::$kind,
            default: default_value!($default),
            rule: $rule,
            importance: $crate::config::key::Importance::$importance,
            update: $crate::config::key::Update::$update,
            status: $crate::config::key::Status::$status,
            scope: $crate::config::key::Scope::$scope,
            doc: $doc,
        }),*];
    };
}

/// A table of topic keys; `from` names the broker keys that give topics their default.
macro_rules! topic_keys {
    ($($rows:tt)*) => {
        resource_keys! { Topic; $($rows)* }
    };
}

/// A table of keys of topics or groups; `from` names the broker keys that give them their default.
macro_rules! resource_keys {
    (
        $scope:ident;
        $(
            $name:literal: $kind:ident = $default:tt, $rule:expr; $status:ident;
            from [$($broker:literal $(* $factor:ident)?),*];
            $doc:literal;
        )*
    ) => {
        pub(super) const KEYS: &[$crate::config::key::Key] = &[$($crate::config::key::Key {
            name: $name,
            kind: $crate::config::key::Kind::$kind,
            default: default_value!($default),
            rule: $rule,
            importance: $crate::config::key::Importance::Medium,
            update: $crate::config::key::Update::ClusterWide,
            status: $crate::config::key::Status::$status,
            scope: $crate::config::key::Scope::$scope(&[$($crate::config::key::BrokerDefault {
                name: $broker,
                factor: 1 $(* $factor)?,
            }),*]),
            doc: $doc,
        }),*];
    };
}
