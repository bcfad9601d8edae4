//! The fixtures of `testdata/delta`, and what is done with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anabranch_merge::test_support::{OpenCase, UnitCase, apply_edits};
use anabranch_merge::{MergeOutcome, Merger, UnitKind};
use anabranch_types::Entry;
use bytes::Bytes;

/// The objects of one side, by path.
pub(crate) type Bodies = BTreeMap<String, Bytes>;

pub(crate) fn folder(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/delta").join(case)
}

/// The objects of a side of a fixture; empty when the fixture has no such side.
pub(crate) fn side(case: &str, name: &str) -> Bodies {
    fn walk(root: &Path, at: &Path, bodies: &mut Bodies) {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, bodies);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                bodies.insert(name, std::fs::read(&path).unwrap().into());
            }
        }
    }
    let root = folder(case).join(name);
    let mut bodies = Bodies::new();
    if root.is_dir() {
        walk(&root, &root, &mut bodies);
    }
    bodies
}

/// The ids of the rows that a side had when it was written.
pub(crate) fn rows(case: &str, name: &str) -> Vec<i64> {
    let text = std::fs::read_to_string(folder(case).join("rows.json")).unwrap();
    let rows: BTreeMap<String, Vec<i64>> = serde_json::from_str(&text).unwrap();
    rows[name].clone()
}

/// A merge of three sides.
pub(crate) fn case(name: &str, base: Bodies, ours: Bodies, theirs: Bodies) -> UnitCase {
    let case = UnitCase::new(name, format!("tables/{name}"), UnitKind::Folder);
    UnitCase { base, ours, theirs, ..case }
}

/// A fixture as a merge.
pub(crate) fn fixture(name: &str) -> UnitCase {
    case(name, side(name, "base"), side(name, "ours"), side(name, "theirs"))
}

/// Ours' objects after a merge.
pub(crate) struct Merged {
    pub open: OpenCase,
    pub outcome: MergeOutcome,
    pub entries: BTreeMap<String, Entry>,
    pub bodies: Bodies,
}

pub(crate) async fn merge(merger: &dyn Merger, case: &UnitCase) -> Merged {
    let open = case.open();
    let outcome = open.run(merger).await;
    let edits = match &outcome {
        MergeOutcome::Merged { edits, .. } => edits.as_slice(),
        _ => &[],
    };
    let entries = apply_edits(open.ours.entries(), edits);
    let bodies = entries
        .iter()
        .map(|(path, entry)| (path.clone(), open.objects.body(&entry.address).unwrap()))
        .collect();
    Merged { open, outcome, entries, bodies }
}

/// Writes a table into a folder.
pub(crate) fn write(bodies: &Bodies, to: &Path) {
    for (path, body) in bodies {
        let path = to.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, body).unwrap();
    }
}

/// The ids of the rows of a table, read from its Parquet files as the `deltalake` crate lists them. Files with
/// deletion vectors are counted by the engines of the Python check only.
pub(crate) async fn ids(bodies: &Bodies) -> Vec<i64> {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    let folder = tempfile::tempdir().unwrap();
    write(bodies, folder.path());
    let url = url::Url::from_directory_path(folder.path()).unwrap();
    let table = deltalake::open_table(url).await.unwrap();
    let mut ids = Vec::new();
    for file in table.snapshot().unwrap().log_data().iter() {
        let bytes = bodies[file.path().as_ref()].clone();
        let reader = SerializedFileReader::new(bytes).unwrap();
        ids.extend(reader.get_row_iter(None).unwrap().map(|row| row.unwrap().get_long(0).unwrap()));
    }
    ids.sort_unstable();
    ids
}

/// The ids that independent engines read, by engine; `None` when no Python with engines is named.
pub(crate) fn foreign_ids(bodies: &Bodies) -> Option<BTreeMap<String, Vec<i64>>> {
    let Ok(python) = std::env::var("ANABRANCH_TEST_PYTHON") else {
        eprintln!("not read by foreign engines: ANABRANCH_TEST_PYTHON is not set");
        return None;
    };
    let target = tempfile::tempdir().unwrap();
    write(bodies, target.path());
    let script = folder("read_table.py");
    let output = std::process::Command::new(python).arg(script).arg(target.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    Some(serde_json::from_str(text.lines().last().unwrap()).unwrap())
}
