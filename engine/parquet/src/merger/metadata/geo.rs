//! What GeoParquet keeps in a file: which columns hold geometries, and how their coordinates are to be understood. Rows of
//! two sides go together only where that is the same.
//!
//! Source: the GeoParquet specification, 1.1.

use anabranch_rows::PerSide;
use serde_json::{Map, Value, json};

use super::Columns;

/// What a geometry column says of its rows and not of their meaning.
const OF_THE_ROWS: [&str; 2] = ["bbox", "geometry_types"];

/// The description that the merged file has, if it has one; and what was left out.
///
/// # Errors
///
/// Coordinates that are to be understood differently on the sides.
pub(super) fn join(
    sides: PerSide<Option<&str>>,
    columns: &Columns<'_>,
) -> Result<(Option<String>, Option<String>), String> {
    let read =
        |text: Option<&str>| text.and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
    let (ours, theirs) = (read(sides.ours), read(sides.theirs));
    let mut joined = match (&ours, &theirs, sides.base) {
        (Some(ours), _, _) => ours.clone(),
        // Only theirs says what its coordinates mean, and that is new.
        (None, Some(theirs), None) if sides.ours.is_none() => theirs.clone(),
        _ => return Ok((None, None)),
    };
    let mut fitted = Map::new();
    for (name, one) in geometries(ours.as_ref()).chain(geometries(theirs.as_ref())) {
        if fitted.contains_key(name) || !columns.from.contains_key(name) {
            continue;
        }
        let other = geometries(theirs.as_ref()).find(|(other, _)| *other == name).map(|(_, other)| other);
        if let Some(other) = other.filter(|other| meaning(one) != meaning(other)) {
            let all = meaning(one).into_iter().chain(meaning(other)).map(|(key, _)| key);
            let key =
                all.map(String::as_str).find(|key| one.get(*key) != other.get(*key)).unwrap_or_default();
            return Err(format!("the sides describe the coordinates of column {name} differently ({key})"));
        }
        let same_types = other.is_some_and(|other| other.get("geometry_types") == one.get("geometry_types"));
        let mut one = one.clone();
        one.shift_remove("bbox");
        if !same_types {
            // An empty list says that the types are not known.
            one.insert("geometry_types".into(), json!([]));
        }
        fitted.insert(name.to_owned(), Value::Object(one));
    }
    let primary = |from: &Option<Map<String, Value>>| {
        let name = from.as_ref()?.get("primary_column")?.as_str()?.to_owned();
        fitted.contains_key(&name).then_some(name)
    };
    let Some(primary) = primary(&ours).or_else(|| primary(&theirs)) else {
        return Ok((None, Some("geo is left out: its primary column is gone".to_owned())));
    };
    joined.insert("primary_column".into(), primary.into());
    joined.insert("columns".into(), Value::Object(fitted));
    let note = "the bounding boxes in geo are left out: they were those of the rows before".to_owned();
    let had_any = [&ours, &theirs]
        .into_iter()
        .any(|from| geometries(from.as_ref()).any(|(_, geometry)| geometry.contains_key("bbox")));
    Ok((Some(Value::Object(joined).to_string()), had_any.then_some(note)))
}

fn geometries(description: Option<&Map<String, Value>>) -> impl Iterator<Item = (&str, &Map<String, Value>)> {
    let columns = description.and_then(|description| description.get("columns")?.as_object());
    columns.into_iter().flatten().filter_map(|(name, geometry)| Some((name.as_str(), geometry.as_object()?)))
}

/// How coordinates are to be understood, whatever the rows are.
fn meaning(geometry: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut meaning: Vec<_> =
        geometry.iter().filter(|(key, _)| !OF_THE_ROWS.contains(&key.as_str())).collect();
    meaning.sort_by_key(|(key, _)| key.as_str());
    meaning
}
