//! Whose configs are meant: entities by type and name, and the arguments that say so. Names count in the order in
//! which they are given, also where the default entity stands among them, so that a user and a client go together.

use clap::{ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// A type of entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntityType {
    Topics,
    Clients,
    Users,
    Brokers,
    Ips,
    ClientMetrics,
    Groups,
    BrokerLoggers,
}

impl EntityType {
    /// All, in the order of Kafka's tool.
    pub(super) const ALL: [Self; 8] = [
        Self::Topics,
        Self::Clients,
        Self::Users,
        Self::Brokers,
        Self::Ips,
        Self::ClientMetrics,
        Self::Groups,
        Self::BrokerLoggers,
    ];

    /// Its name among the arguments.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Topics => "topics",
            Self::Clients => "clients",
            Self::Users => "users",
            Self::Brokers => "brokers",
            Self::Ips => "ips",
            Self::ClientMetrics => "client-metrics",
            Self::Groups => "groups",
            Self::BrokerLoggers => "broker-loggers",
        }
    }

    /// What one entity of it is called.
    pub(super) fn singular(self) -> &'static str {
        let name = self.name();
        &name[..name.len() - 1]
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

/// The entities that are meant. Types are as the user has written them.
#[derive(Debug)]
pub(super) struct Entities {
    pub(super) types: Vec<String>,
    /// The names that belong to the types; an empty one is the default entity.
    pub(super) names: Vec<String>,
}

impl Entities {
    /// The first type. There is one, and it is known, once the arguments were checked.
    pub(super) fn first_type(&self) -> EntityType {
        let first = self.types.first().and_then(|name| EntityType::of(name));
        first.expect("the arguments were checked")
    }

    /// The types. They are known once the arguments were checked.
    pub(super) fn known_types(&self) -> impl Iterator<Item = EntityType> {
        self.types.iter().filter_map(|name| EntityType::of(name))
    }

    /// Whether this type is among them.
    pub(super) fn has(&self, entity_type: EntityType) -> bool {
        self.types.iter().any(|name| name == entity_type.name())
    }

    pub(super) fn has_name(&self) -> bool {
        self.names.iter().any(|name| !name.is_empty())
    }

    pub(super) fn has_default(&self) -> bool {
        self.names.iter().any(String::is_empty)
    }

    /// That their configs were changed.
    pub(super) fn completed(&self) -> String {
        let entity_type = self.first_type();
        match self.names.first().map_or("", String::as_str) {
            "" => format!(
                "Completed updating default config for {} in the cluster.",
                entity_type.name()
            ),
            name => format!(
                "Completed updating config for {} {name}.",
                entity_type.singular()
            ),
        }
    }
}

/// The arguments that name entities.
#[derive(Debug, Args)]
pub(super) struct EntityArguments {
    #[command(flatten)]
    pub(super) listed: ListedEntities,

    /// A topic
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    topic: Option<String>,

    /// A client, by its id
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    client: Option<String>,

    /// All clients without quotas of their own
    #[arg(long)]
    client_defaults: bool,

    /// A user
    #[arg(long, value_name = "PRINCIPAL", allow_hyphen_values = true)]
    user: Option<String>,

    /// All users without quotas of their own
    #[arg(long)]
    user_defaults: bool,

    /// A broker, by its id
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub(super) broker: Option<String>,

    /// All brokers
    #[arg(long)]
    broker_defaults: bool,

    /// The loggers of a broker, by its id
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub(super) broker_logger: Option<String>,

    /// An address
    #[arg(long, value_name = "ADDRESS", allow_hyphen_values = true)]
    pub(super) ip: Option<String>,

    /// All addresses without quotas of their own
    #[arg(long)]
    ip_defaults: bool,

    /// A group
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    group: Option<String>,

    /// A subscription to metrics of clients
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    client_metrics: Option<String>,
}

impl EntityArguments {
    /// The entities that the options for one type name.
    fn single(&self) -> impl Iterator<Item = (EntityType, &str)> {
        let named = [
            (EntityType::Topics, &self.topic),
            (EntityType::Clients, &self.client),
            (EntityType::Users, &self.user),
            (EntityType::Brokers, &self.broker),
            (EntityType::BrokerLoggers, &self.broker_logger),
            (EntityType::Ips, &self.ip),
            (EntityType::ClientMetrics, &self.client_metrics),
            (EntityType::Groups, &self.group),
        ];
        let defaults = [
            (EntityType::Clients, self.client_defaults),
            (EntityType::Users, self.user_defaults),
            (EntityType::Brokers, self.broker_defaults),
            (EntityType::Ips, self.ip_defaults),
        ];
        let named = named.into_iter();
        let named = named.filter_map(|(entity_type, name)| Some((entity_type, name.as_deref()?)));
        let defaults = defaults.into_iter().filter(|(_, is_meant)| *is_meant);
        named.chain(defaults.map(|(entity_type, _)| (entity_type, "")))
    }

    /// Whether there is an option for one type.
    pub(super) fn has_single(&self) -> bool {
        self.single().next().is_some()
    }

    /// The entities that are meant.
    pub(super) fn entities(&self) -> Entities {
        let mut entities = Entities {
            types: self.listed.types.clone(),
            names: self.listed.names.clone(),
        };
        for (entity_type, name) in self.single() {
            entities.types.push(entity_type.name().to_owned());
            entities.names.push(name.to_owned());
        }
        entities
    }
}

/// What `--entity-type`, `--entity-name` and `--entity-default` say. Names and defaults keep their common order,
/// which derived arguments would lose.
#[derive(Debug)]
pub(super) struct ListedEntities {
    types: Vec<String>,
    /// Names, and an empty text for each default.
    names: Vec<String>,
}

const TYPE: &str = "entity-type";
const ENTITY_NAME: &str = "entity-name";
const DEFAULT: &str = "entity-default";

impl ListedEntities {
    /// Whether any of the options is there.
    pub(super) fn is_used(&self) -> bool {
        !(self.types.is_empty() && self.names.is_empty())
    }

    /// The names that `--entity-name` gives.
    pub(super) fn given_names(&self) -> impl Iterator<Item = &str> {
        let names = self.names.iter().map(String::as_str);
        names.filter(|name| !name.is_empty())
    }

    /// Whether `--entity-default` is there, or a name that is as good.
    pub(super) fn has_default(&self) -> bool {
        self.names.iter().any(String::is_empty)
    }
}

impl FromArgMatches for ListedEntities {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let all = |id: &str| -> Vec<(usize, String)> {
            let places = matches.indices_of(id).into_iter().flatten();
            let texts = matches.get_many::<String>(id).into_iter().flatten();
            places.zip(texts.cloned()).collect()
        };
        let mut names = [all(ENTITY_NAME), all(DEFAULT)].concat();
        names.sort();
        let text = |(_, text)| text;
        Ok(Self {
            types: all(TYPE).into_iter().map(text).collect(),
            names: names.into_iter().map(text).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for ListedEntities {
    fn augment_args(command: Command) -> Command {
        let argument = |id: &'static str, help: &'static str| {
            let argument = clap::Arg::new(id).long(id).help(help);
            argument.action(ArgAction::Append)
        };
        let types = "The type: topics, brokers, broker-loggers, groups, client-metrics, users, clients or ips; users \
                     and clients may be given together";
        let name = "The name or id of an entity of the type";
        let default = "The default for all brokers, users, clients or ips, instead of a name";
        command
            .arg(argument(TYPE, types).value_name("TYPE"))
            .arg(
                argument(ENTITY_NAME, name)
                    .value_name("NAME")
                    .allow_hyphen_values(true),
            )
            .arg(
                argument(DEFAULT, default)
                    .num_args(0)
                    .default_missing_value(""),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::tools::configs::ConfigsArguments;

    /// Types and names, with a comma between them.
    fn entities(words: &str) -> (String, String) {
        let words = std::iter::once("x").chain(words.split_whitespace());
        let arguments = ConfigsArguments::try_parse_from(words).expect("arguments");
        let entities = arguments.entities.entities();
        (entities.types.join(","), entities.names.join(","))
    }

    fn pair(types: &str, names: &str) -> (String, String) {
        (types.to_owned(), names.to_owned())
    }

    #[test]
    fn names_and_defaults_keep_their_order() {
        let first = "--entity-type users --entity-default --entity-type clients --entity-name c";
        assert_eq!(entities(first), pair("users,clients", ",c"));
        let second = "--entity-type users --entity-name u --entity-type clients --entity-default";
        assert_eq!(entities(second), pair("users,clients", "u,"));
        let both = "--entity-type users --entity-default --entity-type clients --entity-default";
        assert_eq!(entities(both), pair("users,clients", ","));
    }

    #[test]
    fn options_for_one_type_are_read_in_kafkas_order() {
        assert_eq!(
            entities("--user u --client c"),
            pair("clients,users", "c,u")
        );
        assert_eq!(
            entities("--client-defaults --user u"),
            pair("users,clients", "u,")
        );
        assert_eq!(entities("--broker-logger -1"), pair("broker-loggers", "-1"));
    }
}
