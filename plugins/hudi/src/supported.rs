//! Which tables are merged at all, by their properties.

use crate::names::Layout;
use crate::properties::{METADATA_PARTITIONS, METADATA_PARTITIONS_INFLIGHT, Properties};

/// Why a table is not merged: the rule as the documentation names it, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) rule: &'static str,
    pub(crate) why: String,
}

impl Refusal {
    pub(crate) fn new(rule: &'static str, why: impl Into<String>) -> Self {
        Self { rule, why: why.into() }
    }
}

/// Properties that say how records and files are named and read, each with what it is where it is not set. Two states that differ in
/// one cannot be merged, even where only one side changed it: what the other side wrote is named and read in the old way.
const FIXED: [(&str, &str); 15] = [
    ("hoodie.table.name", ""),
    ("hoodie.table.type", "COPY_ON_WRITE"),
    ("hoodie.table.version", ""),
    ("hoodie.timeline.layout.version", ""),
    ("hoodie.table.base.file.format", "PARQUET"),
    ("hoodie.table.recordkey.fields", ""),
    ("hoodie.table.partition.fields", ""),
    ("hoodie.table.keygenerator.class", ""),
    ("hoodie.table.keygenerator.type", ""),
    ("hoodie.datasource.write.hive_style_partitioning", "false"),
    ("hoodie.datasource.write.partitionpath.urlencode", "false"),
    ("hoodie.datasource.write.drop.partition.columns", "false"),
    ("hoodie.table.timeline.timezone", "LOCAL"),
    ("hoodie.populate.meta.fields", "true"),
    ("hoodie.table.cdc.enabled", "false"),
];

/// Parts of the metadata table that a writer builds anew by itself.
const REBUILT: [&str; 5] = ["files", "column_stats", "bloom_filters", "partition_stats", "record_index"];

/// Checks the properties of one side.
///
/// # Errors
///
/// Why such a table is not merged.
pub(crate) fn check(properties: &Properties) -> Result<Layout, Refusal> {
    let get = |name: &str| properties.get(name);
    let is = |name: &str, value: &str| get(name).is_some_and(|set| set.eq_ignore_ascii_case(value));
    let kind = get("hoodie.table.type").unwrap_or_else(|| "COPY_ON_WRITE".into());
    if !kind.eq_ignore_ascii_case("COPY_ON_WRITE") {
        let why = format!(
            "hoodie.table.type is {kind}, and only COPY_ON_WRITE tables are merged: the records of a merge-on-read table lie in \
             log files, whose order in a file group says which is current"
        );
        return Err(Refusal::new("merge-on-read", why));
    }
    let version = get("hoodie.table.version").unwrap_or_default();
    let layout = match version.as_str() {
        "6" => Layout::One,
        "8" | "9" => Layout::Two,
        other => {
            let why =
                format!("hoodie.table.version is {other:?}, and tables of version 6, 8 and 9 are merged");
            return Err(Refusal::new("table-version", why));
        }
    };
    let number = if layout == Layout::One { "1" } else { "2" };
    if get("hoodie.timeline.layout.version").is_some_and(|set| set != number) {
        let why =
            format!("hoodie.timeline.layout.version is not {number}, which tables of version {version} have");
        return Err(Refusal::new("table-version", why));
    }
    let format = get("hoodie.table.base.file.format").unwrap_or_else(|| "PARQUET".into());
    if !format.eq_ignore_ascii_case("PARQUET") || is("hoodie.table.multiple.base.file.formats.enable", "true")
    {
        return Err(Refusal::new(
            "base-file-format",
            format!("its base files are {format}, and only PARQUET is merged"),
        ));
    }
    for (name, usual) in [
        ("hoodie.timeline.path", "timeline"),
        ("hoodie.timeline.history.path", "history"),
        ("hoodie.archivelog.folder", if layout == Layout::One { "archived" } else { "history" }),
    ] {
        if let Some(other) = get(name).filter(|set| set != usual) {
            return Err(Refusal::new("layout", format!("{name} is {other:?}, and only {usual:?} is merged")));
        }
    }
    check_features(properties)?;
    Ok(layout)
}

fn check_features(properties: &Properties) -> Result<(), Refusal> {
    let get = |name: &str| properties.get(name);
    if let Some(path) = get("hoodie.bootstrap.base.path") {
        let why =
            format!("it was bootstrapped from {path:?}, where part of its columns lie outside the table");
        return Err(Refusal::new("bootstrap", why));
    }
    for (name, refused, rule, why) in [
        (
            "hoodie.table.cdc.enabled",
            "true",
            "change-data-capture",
            "its commits write logs of changes (hoodie.table.cdc.enabled=true), which would not tell of the merge",
        ),
        (
            "hoodie.populate.meta.fields",
            "false",
            "meta-fields",
            "its records have no meta fields (hoodie.populate.meta.fields=false), so that their keys cannot be compared",
        ),
        (
            "hoodie.partition.metafile.use.base.format",
            "true",
            "layout",
            "the metadata of its partitions are kept in base files (hoodie.partition.metafile.use.base.format=true)",
        ),
    ] {
        if get(name).is_some_and(|set| set.eq_ignore_ascii_case(refused)) {
            return Err(Refusal::new(rule, why));
        }
    }
    if let Some(building) = get(METADATA_PARTITIONS_INFLIGHT) {
        let why = format!("its metadata table is being built ({building}): let that end, and merge again");
        return Err(Refusal::new("in-flight", why));
    }
    let own = metadata_partitions(properties).into_iter().find(|part| !REBUILT.contains(&part.as_str()));
    if let Some(index) = own {
        let why = format!(
            "its metadata table holds the index {index}, which no writer builds anew by itself: drop the index on the branch, and \
             create it again after the merge"
        );
        return Err(Refusal::new("index", why));
    }
    Ok(())
}

/// What the metadata table holds.
pub(crate) fn metadata_partitions(properties: &Properties) -> Vec<String> {
    let listed = properties.get(METADATA_PARTITIONS).unwrap_or_default();
    listed.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Whether record keys are unique in the table, and not only in their partition: a record-level index finds each key once.
pub(crate) fn is_global(properties: &Properties) -> bool {
    metadata_partitions(properties).iter().any(|part| part == "record_index")
}

/// The first property of [`FIXED`] in which the sides differ.
pub(crate) fn differing(sides: &[Properties; 3]) -> Option<(&'static str, [Option<String>; 3])> {
    FIXED.iter().find_map(|(name, default)| {
        let values = sides.each_ref().map(|side| side.get(name));
        let meant = values.each_ref().map(|value| value.as_deref().unwrap_or(default));
        (meant[0] != meant[1] || meant[0] != meant[2]).then_some((*name, values))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(more: &str) -> String {
        let text = format!("hoodie.table.version=6\nhoodie.timeline.layout.version=1\n{more}");
        let properties = Properties::read(text.as_bytes()).expect("properties");
        match check(&properties) {
            Ok(layout) => format!("{layout:?}"),
            Err(refusal) => refusal.rule.to_owned(),
        }
    }

    #[test]
    fn tables_are_refused_by_what_their_properties_say() {
        for (more, rule) in [
            ("hoodie.table.type=COPY_ON_WRITE", "One"),
            ("hoodie.table.type=MERGE_ON_READ", "merge-on-read"),
            ("hoodie.table.base.file.format=ORC", "base-file-format"),
            ("hoodie.archivelog.folder=archived", "One"),
            ("hoodie.archivelog.folder=old", "layout"),
            ("hoodie.bootstrap.base.path=s3\\://b/x", "bootstrap"),
            ("hoodie.table.cdc.enabled=true", "change-data-capture"),
            ("hoodie.table.cdc.enabled=false", "One"),
            ("hoodie.populate.meta.fields=false", "meta-fields"),
            ("hoodie.table.metadata.partitions=files,column_stats,record_index", "One"),
            ("hoodie.table.metadata.partitions=files,secondary_index_x", "index"),
            ("hoodie.table.metadata.partitions.inflight=column_stats", "in-flight"),
        ] {
            assert_eq!(said(more), rule, "{more}");
        }
        let read = |text: &str| Properties::read(text.as_bytes()).expect("properties");
        let rule = |text: &str| check(&read(text)).map_err(|refusal| refusal.rule);
        assert_eq!(rule("hoodie.table.version=9\nhoodie.timeline.layout.version=2"), Ok(Layout::Two));
        assert_eq!(rule("hoodie.table.version=8\nhoodie.timeline.layout.version=1"), Err("table-version"));
        assert_eq!(rule("hoodie.table.version=5"), Err("table-version"));
        assert_eq!(rule(""), Err("table-version"));
    }

    #[test]
    fn sides_that_name_their_records_otherwise_do_not_go_together() {
        let read = |text: &str| Properties::read(text.as_bytes()).expect("properties");
        let sides = [read("a=1"), read("a=2"), read("hoodie.table.recordkey.fields=id")];
        assert_eq!(differing(&sides).map(|(name, _)| name), Some("hoodie.table.recordkey.fields"));
        let unset = [read("a=1"), read("a=2"), read("hoodie.table.timeline.timezone=LOCAL")];
        assert_eq!(differing(&unset), None);
    }
}
