//! The states and types of groups, by Kafka's names.

/// What a group is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Unknown,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
    Dead,
    Empty,
    Assigning,
    Reconciling,
    NotReady,
}

impl State {
    /// The states that a consumer group can be in.
    pub(super) const OF_CONSUMERS: [Self; 7] = [
        Self::PreparingRebalance,
        Self::CompletingRebalance,
        Self::Stable,
        Self::Dead,
        Self::Empty,
        Self::Assigning,
        Self::Reconciling,
    ];

    /// The state of this name, in whatever case.
    pub(super) fn parse(name: &str) -> Self {
        let others = Self::OF_CONSUMERS.into_iter().chain([Self::NotReady]);
        let mut others = others.filter(|state| state.name().eq_ignore_ascii_case(name));
        others.next().unwrap_or(Self::Unknown)
    }

    /// Kafka's name of it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::NotReady => "NotReady",
        }
    }
}

/// The types that consumer groups can have, in the order of Kafka's sentences.
pub(super) const TYPES_OF_CONSUMERS: [&str; 2] = ["Consumer", "Classic"];

/// Kafka's name of a type, in whatever case it is told.
pub(super) fn group_type(name: &str) -> &'static str {
    let all = TYPES_OF_CONSUMERS.into_iter().chain(["Share", "Streams"]);
    let mut all = all.filter(|known| known.eq_ignore_ascii_case(name));
    all.next().unwrap_or("Unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case() {
        assert_eq!(
            State::parse("preparingREBALANCE"),
            State::PreparingRebalance
        );
        assert_eq!(State::parse("NotReady").name(), "NotReady");
        assert_eq!(State::parse("x"), State::Unknown);
        assert_eq!(group_type("CLASSIC"), "Classic");
        assert_eq!(group_type(""), "Unknown");
    }
}
