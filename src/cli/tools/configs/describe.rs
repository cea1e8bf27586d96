//! Tells configs.

use std::io::{self, Write as _};

use super::entities::{Entities, EntityType};
use super::failure::Failure;
use super::resources::{ResourceType, source};
use super::{credentials, quotas};
use crate::client::{Cluster, ClusterError};
use crate::protocol::messages::describe_configs::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};

/// So many resources are asked for at once.
const AT_ONCE: usize = 500;

/// Tells the configs of the entities; with `all`, also what nobody has set.
pub(super) async fn describe(
    cluster: &mut Cluster,
    entities: &Entities,
    all: bool,
) -> Result<(), Failure> {
    let entity_type = entities.first_type();
    let Some(resource_type) = ResourceType::of(entity_type) else {
        quotas::describe(cluster, entities).await?;
        let of_users = entity_type != EntityType::Ips && !entities.has(EntityType::Clients);
        if of_users && !entities.has_default() {
            credentials::describe(cluster, &entities.names).await?;
        }
        return Ok(());
    };
    let names = match entities.names.first() {
        None => resource_type.all(cluster).await?,
        Some(name) => {
            if !all && !resource_type.has(cluster, name).await? {
                writeln!(
                    io::stdout(),
                    "The {} '{name}' doesn't exist and doesn't have dynamic config.",
                    entity_type.singular()
                )?;
                return Ok(());
            }
            vec![name.clone()]
        }
    };
    // Nodes know only their own.
    let at_once = match resource_type {
        ResourceType::Broker | ResourceType::BrokerLogger => 1,
        _ => AT_ONCE,
    };
    for names in names.chunks(at_once) {
        let asked = resource_type.configs(cluster, names, true).await;
        let results = match asked {
            Ok(results) => results,
            Err(failure) => {
                write!(io::stdout(), "{}", head(entity_type, &names[0], all))?;
                return Err(failure);
            }
        };
        for name in names {
            write!(io::stdout(), "{}", head(entity_type, name, all))?;
            let configs = of_one(&results, name)?.iter();
            let is_told =
                |config: &&DescribeConfigsResourceResult| all || resource_type.is_own(name, config);
            let text = lines(configs.filter(is_told).collect());
            io::stdout().write_all(text.as_bytes())?;
        }
    }
    Ok(())
}

/// The configs of the resource of this name.
pub(super) fn of_one<'a>(
    results: &'a [DescribeConfigsResult],
    name: &str,
) -> Result<&'a [DescribeConfigsResourceResult], Failure> {
    let found = results.iter().find(|it| &*it.resource_name == name);
    let found = found.ok_or_else(|| {
        Failure::Thrown(format!(
            "The node response did not contain a result for config resource {name}"
        ))
    })?;
    ClusterError::check(found.error_code, found.error_message.clone())?;
    Ok(&found.configs)
}

fn head(entity_type: EntityType, name: &str, all: bool) -> String {
    if name.is_empty() {
        let types = entity_type.name();
        return format!("Default configs for {types} in the cluster are:\n");
    }
    let which = if all { "All" } else { "Dynamic" };
    format!(
        "{which} configs for {} {name} are:\n",
        entity_type.singular()
    )
}

/// A line for each config, by name.
fn lines(mut configs: Vec<&DescribeConfigsResourceResult>) -> String {
    configs.sort_by(|first, second| first.name.cmp(&second.name));
    let line = |config: &DescribeConfigsResourceResult| {
        let synonyms = config.synonyms.iter().map(|it| {
            let value = it.value.as_deref().unwrap_or("null");
            format!("{}:{}={value}", source(it.source), it.name)
        });
        let synonyms: Vec<String> = synonyms.collect();
        format!(
            "  {}={} sensitive={} synonyms={{{}}}\n",
            config.name,
            config.value.as_deref().unwrap_or("null"),
            config.is_sensitive,
            synonyms.join(", ")
        )
    };
    configs.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Str;
    use crate::protocol::messages::describe_configs::DescribeConfigsSynonym;

    #[test]
    fn a_line_tells_where_a_config_comes_from() {
        let secret = DescribeConfigsResourceResult {
            name: Str::from_static("b"),
            is_sensitive: true,
            ..DescribeConfigsResourceResult::default()
        };
        let synonym = |source| DescribeConfigsSynonym {
            name: Str::from_static("log.a"),
            value: Some(Str::from_static("1")),
            source,
        };
        let open = DescribeConfigsResourceResult {
            name: Str::from_static("a"),
            value: Some(Str::from_static("1")),
            synonyms: vec![synonym(4), synonym(5)],
            ..DescribeConfigsResourceResult::default()
        };

        assert_eq!(
            lines(vec![&secret, &open]),
            "  a=1 sensitive=false synonyms={STATIC_BROKER_CONFIG:log.a=1, DEFAULT_CONFIG:log.a=1}\n  \
             b=null sensitive=true synonyms={}\n"
        );
    }
}
