//! DescribeClientQuotas (key 48), versions 0-1: the quotas of entities that match.
//!
//! A filter has a component for each type of part that an entity must have: by name, the default,
//! or any; a strict one lets no other parts pass.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Api;
use super::context::RequestContext;
use crate::metadata::controller::Refusal;
use crate::metadata::image::{MetadataImage, QuotaEntity};
use crate::protocol::messages::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest, DescribeClientQuotasResponse, EntityData,
    EntryData, ValueData,
};
use crate::protocol::{ErrorCode, Str};
use crate::quota::{CLIENT_ID, IP, USER};

/// How a component matches, by Kafka's numbers.
mod match_type {
    pub(super) const EXACT: i8 = 0;
    pub(super) const DEFAULT: i8 = 1;
    pub(super) const ANY: i8 = 2;
}

/// What the part of one type must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted<'a> {
    Named(&'a str),
    Default,
    Any,
}

/// What an entity must have, by the type of its parts.
struct Filter<'a> {
    parts: BTreeMap<&'a str, Wanted<'a>>,
    is_strict: bool,
}

/// Answers with all quotas of the entities that match.
pub fn handle(
    api: &Api,
    _context: &RequestContext,
    request: &DescribeClientQuotasRequest,
) -> DescribeClientQuotasResponse {
    match Filter::of(request) {
        Ok(filter) => DescribeClientQuotasResponse {
            // An empty text and not null, as in Kafka.
            error_message: Some(Str::default()),
            entries: Some(entries(&api.image(), &filter)),
            ..DescribeClientQuotasResponse::default()
        },
        Err(refusal) => DescribeClientQuotasResponse {
            error_code: refusal.code,
            error_message: refusal.text(),
            entries: None,
            ..DescribeClientQuotasResponse::default()
        },
    }
}

impl<'a> Filter<'a> {
    fn of(request: &'a DescribeClientQuotasRequest) -> Result<Self, Refusal> {
        let mut parts = BTreeMap::new();
        for component in &request.components {
            let kind = &*component.entity_type;
            if kind.is_empty() {
                return invalid("Invalid empty entity type.");
            }
            if parts.contains_key(kind) {
                return invalid(format!(
                    "Entity type {kind} cannot appear more than once in the filter."
                ));
            }
            if ![USER, CLIENT_ID, IP].contains(&kind) {
                let message = format!("Unsupported entity type {kind}");
                return Err(Refusal::new(ErrorCode::UNSUPPORTED_VERSION, message));
            }
            parts.insert(kind, wanted(component)?);
        }
        if parts.contains_key(IP) && parts.len() > 1 {
            return invalid(
                "Invalid entity filter component combination. IP filter component should not be \
                 used with user or clientId filter component.",
            );
        }
        Ok(Self {
            parts,
            is_strict: request.strict,
        })
    }

    fn matches(&self, entity: &QuotaEntity) -> bool {
        if self.is_strict && (self.parts.is_empty() || entity.len() != self.parts.len()) {
            return false;
        }
        self.parts.iter().all(|(kind, wanted)| {
            let part = entity.iter().find(|(own, _)| **own == **kind);
            part.is_some_and(|(_, name)| match wanted {
                Wanted::Named(wanted) => name.as_deref() == Some(wanted),
                Wanted::Default => name.is_none(),
                Wanted::Any => true,
            })
        })
    }
}

fn wanted(component: &ComponentData) -> Result<Wanted<'_>, Refusal> {
    match (component.match_type, &component.match_value) {
        (match_type::EXACT, Some(name)) => Ok(Wanted::Named(name)),
        (match_type::EXACT, None) => {
            invalid("Request specified MATCH_TYPE_EXACT, but set match string to null.")
        }
        (match_type::DEFAULT, None) => Ok(Wanted::Default),
        (match_type::DEFAULT, Some(_)) => {
            invalid("Request specified MATCH_TYPE_DEFAULT, but also specified a match string.")
        }
        (match_type::ANY, None) => Ok(Wanted::Any),
        (match_type::ANY, Some(_)) => {
            invalid("Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.")
        }
        (other, _) => invalid(format!("Unknown match type {other}")),
    }
}

fn invalid<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(ErrorCode::INVALID_REQUEST, message))
}

/// The quotas of matching entities. The image orders quotas by entity, so those of one are adjacent.
fn entries(image: &MetadataImage, filter: &Filter<'_>) -> Vec<EntryData> {
    let mut entries: Vec<EntryData> = Vec::new();
    let mut last: Option<&QuotaEntity> = None;
    for (entity, key, value) in image.client_quotas().iter() {
        if !filter.matches(entity) {
            continue;
        }
        if last != Some(entity) {
            entries.push(EntryData {
                entity: entity.iter().map(part).collect(),
                values: Vec::new(),
            });
            last = Some(entity);
        }
        let entry = entries.last_mut().expect("one was pushed, if not before");
        entry.values.push(ValueData {
            key: Str::copy_from(key),
            value,
        });
    }
    entries
}

fn part((kind, name): &(Arc<str>, Option<Arc<str>>)) -> EntityData {
    EntityData {
        entity_type: kind.into(),
        entity_name: name.as_ref().map(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter<'a>(
        components: &[(&'static str, i8, Option<&'static str>)],
        is_strict: bool,
        held: &'a mut DescribeClientQuotasRequest,
    ) -> Result<Filter<'a>, Refusal> {
        let components = components
            .iter()
            .map(|(kind, match_type, value)| ComponentData {
                entity_type: Str::from_static(kind),
                match_type: *match_type,
                match_value: value.map(Str::from_static),
            });
        held.components = components.collect();
        held.strict = is_strict;
        Filter::of(held)
    }

    fn entity(parts: &[(&str, Option<&str>)]) -> QuotaEntity {
        let part = |(kind, name): &(&str, Option<&str>)| (Arc::from(*kind), name.map(Arc::from));
        parts.iter().map(part).collect()
    }

    #[test]
    fn an_entity_needs_every_part_that_is_asked_for() {
        let both = entity(&[("client-id", Some("c")), ("user", None)]);
        let user = entity(&[("user", Some("u"))]);
        let matches = |components: &[_], is_strict, entity: &QuotaEntity| {
            let mut held = DescribeClientQuotasRequest::default();
            filter(components, is_strict, &mut held)
                .unwrap()
                .matches(entity)
        };

        assert!(matches(&[], false, &both) && !matches(&[], true, &both));
        assert!(matches(&[("user", match_type::ANY, None)], false, &both));
        assert!(!matches(&[("user", match_type::ANY, None)], true, &both));
        assert!(matches(
            &[("user", match_type::DEFAULT, None)],
            false,
            &both
        ));
        assert!(!matches(
            &[("user", match_type::DEFAULT, None)],
            false,
            &user
        ));
        let named = ("user", match_type::EXACT, Some("u"));
        assert!(matches(&[named], true, &user) && !matches(&[named], false, &both));
    }

    #[test]
    fn a_filter_that_contradicts_itself_is_refused() {
        let code = |components: &[_]| {
            let mut held = DescribeClientQuotasRequest::default();
            let refused = filter(components, false, &mut held).err();
            refused.map(|refusal| refusal.code)
        };

        let invalid = Some(ErrorCode::INVALID_REQUEST);
        assert_eq!(code(&[("", match_type::ANY, None)]), invalid);
        assert_eq!(code(&[("user", match_type::EXACT, None)]), invalid);
        assert_eq!(code(&[("user", match_type::ANY, Some("u"))]), invalid);
        assert_eq!(code(&[("user", 7, None)]), invalid);
        let any = |kind| (kind, match_type::ANY, None);
        assert_eq!(code(&[any("user"), any("user")]), invalid);
        assert_eq!(code(&[any("user"), any("ip")]), invalid);
        assert_eq!(code(&[any("group")]), Some(ErrorCode::UNSUPPORTED_VERSION));
    }
}
