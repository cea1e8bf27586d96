//! What all pages share: the bar, the headings, tables with columns that sort, numbers for people.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::assets;
use super::changes::TOKEN;
use super::login::{LOGIN, LOGOUT};
use super::query::{Part, Query};

/// The pages in the bar: address and name.
const BAR: [(&str, &str); 7] = [
    ("/", "Overview"),
    ("/topics", "Topics"),
    ("/groups", "Groups"),
    ("/brokers", "Brokers"),
    ("/log-dirs", "Log directories"),
    ("/quorum", "Quorum"),
    ("/charts", "Charts"),
];

/// What stands around a page.
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    /// The address of the page in the bar that this one belongs to.
    pub(super) place: &'a str,
    /// The node that answers; `None` for who may not know.
    pub(super) node: Option<i32>,
    /// What stands above the content and stays when that is renewed.
    pub(super) tools: Option<Markup>,
    /// What was done by the form that led here.
    pub(super) notice: Option<&'a str>,
    /// The token of the forms of the session, if there is one.
    pub(super) session: Option<&'a str>,
    /// Whether the content is renewed.
    pub(super) is_live: bool,
}

impl Frame<'_> {
    /// A whole page.
    pub(super) fn around(&self, content: &Markup) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) " · broker" }
                    link rel="icon" type="image/svg+xml" href=(assets::icon());
                    link rel="stylesheet" href=(assets::style());
                    @if self.is_live { script src=(assets::script()) defer {} }
                }
                body {
                    a.skip href="#content" { "To the content" }
                    header {
                        div.bar {
                            b { "broker" }
                            nav aria-label="Pages" {
                                @for (path, name) in BAR {
                                    @let here = (path == self.place).then_some("page");
                                    a href=(path) aria-current=[here] { (name) }
                                }
                            }
                            span.where { @if let Some(node) = self.node { "node " (node) } }
                            (account(self.session))
                        }
                    }
                    main #content {
                        h1 { (self.title) }
                        @if let Some(notice) = self.notice {
                            div.verdict.good.notice role="status" { p { (notice) } }
                        }
                        @if let Some(tools) = &self.tools { (tools) }
                        div #live { (content) }
                    }
                    div #lost role="status" hidden { "This node does not answer. Trying again…" }
                }
            }
        };
        page.into_string()
    }
}

/// The way to log in, or to log out of a session.
fn account(session: Option<&str>) -> Markup {
    html! {
        @if let Some(token) = session {
            form.account method="post" action=(LOGOUT) {
                input type="hidden" name=(TOKEN) value=(token);
                button type="submit" { "Log out" }
            }
        } @else {
            a.account href=(LOGIN) { "Log in" }
        }
    }
}

/// A page that says one thing: an error.
pub(super) fn sentence(text: &str) -> Markup {
    html! { div.verdict.bad { p { (text) } } }
}

/// A column of a table: its name, what it sorts by (nothing, if empty), and whether it holds numbers.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) sort: &'static str,
    pub(super) is_number: bool,
}

/// A column of text.
pub(super) const fn text(name: &'static str, sort: &'static str) -> Column {
    Column {
        name,
        sort,
        is_number: false,
    }
}

/// A column of numbers.
pub(super) const fn number(name: &'static str, sort: &'static str) -> Column {
    Column {
        name,
        sort,
        is_number: true,
    }
}

/// The head of a table of `path`. Its first column is that which rows are sorted by if nobody has asked.
pub(super) fn head(columns: &[Column], path: &str, query: &Query) -> Markup {
    let first = columns.first().map_or("", |column| column.sort);
    let sort = if query.sort.is_empty() {
        first
    } else {
        query.sort.as_str()
    };
    html! {
        thead { tr {
            @for column in columns {
                @let class = column.is_number.then_some("n");
                @let is_sorted = !column.sort.is_empty() && column.sort == sort;
                @let order = if query.descending { "descending" } else { "ascending" };
                @let arrow = if query.descending { " ▾" } else { " ▴" };
                th scope="col" class=[class] aria-sort=[is_sorted.then_some(order)] {
                    @if column.sort.is_empty() {
                        (column.name)
                    } @else {
                        @let named = Query { sort: sort.to_owned(), ..query.clone() };
                        @let starts_large = column.is_number || column.sort == "state";
                        a href=(named.sorted_by(column.sort, starts_large).link(path)) {
                            (column.name) @if is_sorted { (arrow) }
                        }
                    }
                }
            }
        } }
    }
}

/// The head of a table that does not sort.
pub(super) fn plain_head(columns: &[Column]) -> Markup {
    head(columns, "", &Query::default())
}

/// The way to the other parts of a long table.
pub(super) fn parts<T>(part: &Part<T>, path: &str, query: &Query) -> Markup {
    html! {
        @if part.pages > 1 {
            nav.pages aria-label="Parts of the table" {
                @if part.page > 1 {
                    a href=(query.at_page(part.page - 1).link(path)) rel="prev" { "← Previous" }
                }
                span { "Part " (part.page) " of " (part.pages) ", " (count(part.matching)) " rows" }
                @if part.page < part.pages {
                    a href=(query.at_page(part.page + 1).link(path)) rel="next" { "Next →" }
                }
            }
        }
    }
}

/// A field to search in, with what has to stay in the query beside it.
pub(super) fn search(path: &str, query: &Query, more: &Markup) -> Markup {
    html! {
        form.tools method="get" action=(path) role="search" {
            input type="search" name="q" value=(query.search) maxlength="250" placeholder="Search by name"
                aria-label="Search by name";
            @if !query.sort.is_empty() { input type="hidden" name="sort" value=(query.sort); }
            @if query.descending { input type="hidden" name="order" value="desc"; }
            @if query.internal { input type="hidden" name="internal" value="true"; }
            button type="submit" { "Search" }
            (more)
        }
    }
}

/// A fact in large letters: its name, its value, and what is small below it.
pub(super) fn card(name: &str, value: &str, below: &str, level: &str) -> Markup {
    html! {
        div class=(level) {
            dt { (name) }
            dd { (value) small { (below) } }
        }
    }
}

/// A word with a colour of its own: good, warn, bad, or none.
pub(super) fn tag(level: &str, word: &str) -> Markup {
    html! { span class={ "tag " (level) } { (word) } }
}

/// What is not known.
pub(super) fn unknown() -> Markup {
    html! { span.soft title="not known" { "–" } }
}

/// A number, or that it is not known.
pub(super) fn maybe<T>(value: Option<T>, shown: impl Fn(T) -> String) -> Markup {
    match value {
        Some(value) => html! { (shown(value)) },
        None => unknown(),
    }
}

/// `12,345`.
pub(super) fn count(number: usize) -> String {
    grouped(&number.to_string())
}

/// `-12,345`.
pub(super) fn signed(number: i64) -> String {
    if number < 0 {
        format!("-{}", grouped(&number.unsigned_abs().to_string()))
    } else {
        grouped(&number.to_string())
    }
}

fn grouped(digits: &str) -> String {
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1.4 GiB`.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = number as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{number} B"),
        _ if value < 9.95 => format!("{value:.1} {}", UNITS[unit]),
        _ => format!("{value:.0} {}", UNITS[unit]),
    }
}

/// `12.5/s`.
pub(super) fn rate(per_second: f64) -> String {
    if per_second < 100.0 {
        format!("{per_second:.1}/s")
    } else {
        format!("{}/s", grouped(&format!("{per_second:.0}")))
    }
}

/// `3 s`, of milliseconds.
pub(super) fn ago(milliseconds: i64) -> String {
    match milliseconds {
        ..1_000 => "under 1 s".to_owned(),
        1_000..120_000 => format!("{} s", milliseconds / 1_000),
        120_000..7_200_000 => format!("{} min", milliseconds / 60_000),
        _ => format!("{} h", grouped(&(milliseconds / 3_600_000).to_string())),
    }
}

/// `1, 2, 3`.
pub(super) fn listed(ids: &[i32]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    ids.join(", ")
}

/// Nothing.
pub(super) fn nothing() -> Markup {
    PreEscaped(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_for_people() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(signed(-1_000), "-1,000");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_000), "1.0 KiB");
        assert_eq!(bytes(1 << 30), "1.0 GiB");
        assert_eq!(bytes(u64::MAX), "16384 PiB");
        assert_eq!(rate(3.26), "3.3/s");
        assert_eq!(rate(12_345.6), "12,346/s");
        assert_eq!(ago(61_000), "61 s");
        assert_eq!(ago(10_000_000), "2 h");
    }

    #[test]
    fn nothing_that_is_put_in_becomes_part_of_the_page() {
        let hostile = "</title></script><script>alert(1)</script><img src=x onerror=\"a\">'&";
        let query = Query {
            search: hostile.to_owned(),
            sort: hostile.to_owned(),
            ..Query::of("")
        };
        let columns = [text("Name", "name"), number("Size", "size")];
        let content = html! {
            (sentence(hostile)) (card(hostile, hostile, hostile, hostile)) (tag(hostile, hostile))
            table { (head(&columns, "/topics", &query)) }
        };
        let frame = Frame {
            title: hostile,
            place: hostile,
            node: Some(1),
            tools: Some(search("/topics", &query, &nothing())),
            notice: Some(hostile),
            session: Some(hostile),
            is_live: true,
        };

        let page = frame.around(&content);

        assert_eq!(page.matches("<script").count(), 1, "{page}");
        assert!(!page.contains("<img"), "{page}");
        for value in page.split("=\"").skip(1) {
            let value = value.split('"').next().unwrap_or_default();
            assert!(!value.contains('<') && !value.contains('>'), "{value}");
        }
    }
}
