//! The topics that an expression stands for, sorted by name.

use super::TopicsArguments;
use crate::cli::tools::ending::Ending;
use crate::cli::tools::topic_filter::{TopicFilter, is_internal};
use crate::client::Cluster;
use crate::protocol::Str;

/// The topics that the arguments mean. All are asked for only where the expression is more than a name.
pub(super) async fn find(
    arguments: &TopicsArguments,
    cluster: &mut Cluster,
) -> Result<Vec<Str>, Ending> {
    let filter = arguments.topic.as_deref().map(TopicFilter::parse);
    let filter = filter.transpose()?;
    let literal = filter.as_ref().and_then(TopicFilter::literal);
    let literal = literal.map(|name| [Str::copy_from(name)]);
    let names = literal.as_ref().map(|names| names.as_slice());
    let answer = cluster.refresh(names, false).await?;
    let there = answer.topics.into_iter();
    let there = there.filter(|topic| names.is_none() || !topic.error_code.is_error());
    let mut found: Vec<Str> = there
        .filter_map(|topic| topic.name)
        .filter(|name| filter.as_ref().is_none_or(|filter| filter.matches(name)))
        .filter(|name| !(arguments.exclude_internal && is_internal(name)))
        .collect();
    found.sort();
    Ok(found)
}
