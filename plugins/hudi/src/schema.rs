//! Which schema the merged table has. Hudi reads it from the last commit that has one.

use std::collections::BTreeMap;

use anabranch_plugin::Json;

/// A side's schema, and its last write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Side<'s> {
    /// That of the last commit that has one; `None` where the table was never written.
    pub(crate) schema: Option<&'s str>,
    /// When its last write since the base began and ended; `None` where it wrote nothing.
    pub(crate) last: Option<(String, String)>,
}

/// Why the schemas do not go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Clash {
    /// Both sides changed it, and differently.
    Both,
    /// A side changed what rows of the other hold: the column, and what became of it.
    Column { side: usize, column: String, what: &'static str },
    /// A side changed it, and the other wrote last: readers would see the old schema.
    Overtaken { side: usize },
    /// A schema cannot be read.
    Unreadable { side: usize, why: String },
}

/// Checks whether the last commit of both timelines carries the schema that both sides need.
pub(crate) fn clash(base: Option<&str>, ours: &Side<'_>, theirs: &Side<'_>) -> Option<Clash> {
    let read = |side: usize, text: Option<&str>| match text.map(columns).transpose() {
        Ok(columns) => Ok(columns.unwrap_or_default()),
        Err(why) => Err(Clash::Unreadable { side, why }),
    };
    let [was, our, their] = match (read(0, base), read(1, ours.schema), read(2, theirs.schema)) {
        (Ok(was), Ok(our), Ok(their)) => [was, our, their],
        (Err(clash), _, _) | (_, Err(clash), _) | (_, _, Err(clash)) => return Some(clash),
    };
    if our == their {
        return None;
    }
    let (side, new, changed, other) = match (our == was, their == was) {
        (true, _) => (2, &their, theirs, ours),
        (_, true) => (1, &our, ours, theirs),
        _ => return Some(Clash::Both),
    };
    let Some(other_last) = &other.last else { return None };
    for (column, kind) in &was {
        let what = match new.get(column) {
            None => "dropped",
            Some(is) if is != kind => "altered",
            Some(_) => continue,
        };
        return Some(Clash::Column { side, column: column.clone(), what });
    }
    let required = new.iter().find(|(column, kind)| !was.contains_key(*column) && !is_nullable(kind));
    if let Some((column, _)) = required {
        return Some(Clash::Column {
            side,
            column: column.clone(),
            what: "added, without a null for other rows,",
        });
    }
    // Versions of Hudi differ in whether the last commit is the one that began or the one that ended last.
    let is_last = changed.last.as_ref().is_some_and(|last| last.0 > other_last.0 && last.1 > other_last.1);
    (!is_last).then_some(Clash::Overtaken { side })
}

/// Whether a type in its one spelling is a union with null.
fn is_nullable(kind: &str) -> bool {
    kind.starts_with(r#"["null","#) || (kind.starts_with('[') && kind.ends_with(r#","null"]"#))
}

/// The columns of an Avro record, each with its type in one spelling. The name of the record is not part of the schema: it depends
/// on the writer.
///
/// # Errors
///
/// It is no such schema.
pub(crate) fn columns(schema: &str) -> Result<BTreeMap<String, String>, String> {
    let json = Json::parse(schema.as_bytes()).map_err(|error| format!("it is not JSON: {error}"))?;
    let fields = json.get("fields").and_then(Json::elements).ok_or("it is no Avro record")?;
    let mut columns = BTreeMap::new();
    for field in fields {
        let name = field.get("name").and_then(Json::as_str).ok_or("a field has no name")?;
        let kind = field.get("type").ok_or("a field has no type")?.compact();
        // Hudi may note its meta fields or not.
        if !name.starts_with("_hoodie_") {
            columns.insert(name.to_owned(), kind);
        }
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(columns: &str) -> String {
        let field = |column: &str| {
            let (name, kind) = column.split_once(':').expect("a type");
            let kind = match kind.strip_suffix('?') {
                Some(kind) => format!(r#"["null", "{kind}"]"#),
                None => format!(r#""{kind}""#),
            };
            format!(r#"{{"name": "{name}", "type": {kind}}}"#)
        };
        let fields: Vec<String> = columns.split_whitespace().map(field).collect();
        format!(r#"{{"type": "record", "name": "r{}", "fields": [{}]}}"#, columns.len(), fields.join(","))
    }

    /// Ours writes at time 5, theirs at `theirs_at`.
    fn told(base: &str, ours: &str, theirs: &str, theirs_at: &str) -> String {
        let [base, ours, theirs] = [base, ours, theirs].map(schema);
        let side = |schema, at: &str| Side {
            schema: Some(schema),
            last: (!at.is_empty()).then(|| (at.to_owned(), at.to_owned())),
        };
        let clash = clash(Some(&base), &side(&ours, "5"), &side(&theirs, theirs_at));
        clash.map_or_else(|| "merged".into(), |clash| format!("{clash:?}"))
    }

    #[test]
    fn the_last_commit_decides() {
        let (old, new) = ("id:string a:long?", "id:string a:long? b:long?");
        assert_eq!(told(old, old, old, "6"), "merged");
        assert_eq!(told(old, new, new, "6"), "merged");
        assert_eq!(told(old, new, old, "4"), "merged");
        assert_eq!(told(old, old, new, "6"), "merged");
        assert_eq!(told(old, new, old, ""), "merged");
        assert_eq!(told(old, new, old, "6"), "Overtaken { side: 1 }");
        assert_eq!(told(old, old, new, "4"), "Overtaken { side: 2 }");
        assert_eq!(told(old, new, "id:string a:long? c:long?", "6"), "Both");
    }

    #[test]
    fn a_column_that_the_other_side_wrote_is_not_taken_from_it() {
        let old = "id:string a:long?";
        assert_eq!(told(old, "id:string", old, "4"), r#"Column { side: 1, column: "a", what: "dropped" }"#);
        assert_eq!(
            told(old, "id:string a:int?", old, "4"),
            r#"Column { side: 1, column: "a", what: "altered" }"#
        );
        assert!(told(old, "id:string a:long? b:long", old, "4").contains("without a null"));
        let broken = Side { schema: Some("{"), last: None };
        assert!(matches!(clash(None, &broken, &broken), Some(Clash::Unreadable { side: 1, .. })));
    }
}
