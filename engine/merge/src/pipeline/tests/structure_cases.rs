//! The cases of `structure.rs`: what two sides do to files and folders, and what the merge says of it.

/// A case: its name, the three sides, and its conflicts as `rule path`, sorted; none for a clean merge.
pub(super) type Case = (&'static str, &'static str, &'static [&'static str]);

/// What two writers do to one folder `F` of data files with the ending `E`. In Hive partitions, which are the second
/// column of verdicts, files are also overwritten under their own names.
pub(super) const FOLDERS: &[(&str, &str, Verdict, Verdict)] = &[
    (
        "both overwrite all",
        "base: F/a.E=1 F/b.E=2 | ours: -F/a.E -F/b.E F/o.E=3 | theirs: -F/a.E -F/b.E F/t.E=4",
        BOTH,
        BOTH,
    ),
    (
        "both overwrite part",
        "base: F/a.E=1 F/b.E=2 | ours: -F/a.E F/o.E=3 | theirs: -F/b.E F/t.E=4",
        BOTH,
        BOTH,
    ),
    ("both overwrite one", "base: F/a.E=1 | ours: -F/a.E F/o.E=3 | theirs: -F/a.E F/t.E=4", BOTH, BOTH),
    (
        "ours overwrites, theirs appends",
        "base: F/a.E=1 | ours: -F/a.E F/o.E=3 | theirs: F/t.E=4",
        APPENDED,
        APPENDED,
    ),
    (
        "ours compacts, theirs appends",
        "base: F/a.E=1 F/b.E=2 | ours: -F/a.E -F/b.E F/o.E=3 | theirs: F/t.E=4 F/u.E=5",
        APPENDED,
        APPENDED,
    ),
    (
        "theirs overwrites, ours appends",
        "base: F/a.E=1 F/b.E=2 | ours: F/o.E=3 | theirs: -F/a.E F/t.E=4",
        APPENDED,
        APPENDED,
    ),
    (
        "ours overwrites, theirs deletes the same",
        "base: F/a.E=1 F/b.E=2 | ours: -F/a.E -F/b.E F/o.E=3 | theirs: -F/a.E",
        DELETED,
        DELETED,
    ),
    (
        "theirs overwrites, ours deletes the same",
        "base: F/a.E=1 F/b.E=2 | ours: -F/b.E | theirs: -F/b.E F/t.E=4",
        DELETED,
        DELETED,
    ),
    (
        "ours overwrites, theirs deletes another",
        "base: F/a.E=1 F/b.E=2 | ours: -F/a.E F/o.E=3 | theirs: -F/b.E",
        CLEAN,
        CLEAN,
    ),
    ("both append", "base: F/a.E=1 | ours: F/o.E=3 | theirs: F/t.E=4", CLEAN, CLEAN),
    ("both append to nothing", "base: z=1 | ours: F/o.E=3 | theirs: F/t.E=4", CLEAN, CLEAN),
    (
        "both append the same and more",
        "base: F/a.E=1 | ours: F/s.E=3 F/o.E=4 | theirs: F/s.E=3 F/t.E=5",
        CLEAN,
        CLEAN,
    ),
    ("both delete the same", "base: F/a.E=1 F/b.E=2 | ours: -F/a.E | theirs: -F/a.E", CLEAN, CLEAN),
    (
        "both delete different files",
        "base: F/a.E=1 F/b.E=2 F/c.E=3 | ours: -F/a.E | theirs: -F/b.E",
        CLEAN,
        CLEAN,
    ),
    ("ours deletes, theirs appends", "base: F/a.E=1 F/b.E=2 | ours: -F/a.E | theirs: F/t.E=4", CLEAN, CLEAN),
    ("ours drops all, theirs appends", "base: F/a.E=1 | ours: -F/a.E | theirs: F/t.E=4", CLEAN, CLEAN),
    (
        "both do the same overwrite",
        "base: F/a.E=1 | ours: -F/a.E F/n.E=3 | theirs: -F/a.E F/n.E=3",
        CLEAN,
        CLEAN,
    ),
    (
        "theirs appends to the same overwrite",
        "base: F/a.E=1 | ours: -F/a.E F/n.E=3 | theirs: -F/a.E F/n.E=3 F/t.E=4",
        CLEAN,
        CLEAN,
    ),
    ("only ours overwrites", "base: F/a.E=1 z=1 | ours: -F/a.E F/o.E=3 | theirs: z=2", CLEAN, CLEAN),
    (
        "ours renames a file, theirs appends",
        "base: F/a.E=1 F/b.E=2 | ours: -F/a.E F/o.E=1 | theirs: F/t.E=4",
        CLEAN,
        CLEAN,
    ),
    (
        "both rename one file",
        "base: F/a.E=1 F/b.E=2 | ours: -F/a.E F/o.E=1 | theirs: -F/a.E F/t.E=1",
        BOTH,
        BOTH,
    ),
    (
        "ours renames a file, theirs deletes it",
        "base: F/a.E=1 F/b.E=2 | ours: -F/a.E F/o.E=1 | theirs: -F/a.E",
        DELETED,
        DELETED,
    ),
    (
        "ours overwrites, theirs writes a marker",
        "base: F/a.E=1 | ours: -F/a.E F/o.E=3 | theirs: F/_note=4",
        CLEAN,
        CLEAN,
    ),
    ("different files in place", "base: F/a.E=1 F/b.E=2 | ours: F/a.E=3 | theirs: F/b.E=4", CLEAN, CLEAN),
    (
        "one file in place",
        "base: F/a.E=1 F/b.E=2 | ours: F/a.E=3 | theirs: F/a.E=4",
        &["object-conflict F/a.E"],
        &["object-conflict F/a.E"],
    ),
    ("in place against an append", "base: F/a.E=1 | ours: F/a.E=3 | theirs: F/t.E=4", CLEAN, APPENDED),
    (
        "in place on both, and one appends",
        "base: F/a.E=1 | ours: F/a.E=3 | theirs: F/a.E=4 F/t.E=5",
        &["object-conflict F/a.E"],
        BOTH,
    ),
    (
        "in place against an overwrite of the same file",
        "base: F/a.E=1 | ours: F/a.E=3 | theirs: -F/a.E F/t.E=4",
        BOTH,
        BOTH,
    ),
    (
        "one name, added differently",
        "base: F/a.E=1 | ours: F/n.E=3 | theirs: F/n.E=4",
        &["object-conflict F/n.E"],
        &["object-conflict F/n.E"],
    ),
    (
        "both overwrite, one name in common",
        "base: F/a.E=1 | ours: -F/a.E F/n.E=3 | theirs: -F/a.E F/n.E=4 F/t.E=5",
        BOTH,
        BOTH,
    ),
];

pub(super) type Verdict = &'static [&'static str];
const CLEAN: Verdict = &[];
const BOTH: Verdict = &["partition-overwritten-both F"];
const APPENDED: Verdict = &["partition-overwritten-vs-appended F"];
const DELETED: Verdict = &["partition-overwritten-vs-deleted F"];

/// Everything that is not about the data files of one folder.
pub(super) const CASES: &[Case] = &[
    // Folders that hold no data for all that can be told.
    ("text is no data", "base: d/a.txt=1 | ours: -d/a.txt d/o.txt=2 | theirs: -d/a.txt d/t.txt=3", &[]),
    ("images are no data", "base: d/a.png=1 | ours: -d/a.png d/o.png=2 | theirs: d/t.png=3", &[]),
    (
        "files of Hadoop without an ending",
        "base: d/part-00000=1 | ours: -d/part-00000 d/part-00001=2 | theirs: d/part-00002=3",
        &["partition-overwritten-vs-appended d"],
    ),
    (
        "files of Hive without an ending",
        "base: d/000000_0=1 | ours: -d/000000_0 d/000001_0=2 | theirs: -d/000000_0 d/000002_0=3",
        &["partition-overwritten-both d"],
    ),
    (
        "any name in a partition",
        "base: d/k@1/x=1 | ours: -d/k@1/x d/k@1/y=2 | theirs: -d/k@1/x d/k@1/z=3",
        &["partition-overwritten-both d/k=1"],
    ),
    (
        "compressed text",
        "base: d/a.csv.gz=1 | ours: -d/a.csv.gz d/o.csv.gz=2 | theirs: d/t.csv.gz=3",
        &["partition-overwritten-vs-appended d"],
    ),
    (
        "different partitions",
        "base: s/d@1/a.parquet=1 s/d@2/a.parquet=2 | ours: -s/d@1/a.parquet s/d@1/o.parquet=3 | theirs: -s/d@2/a.parquet s/d@2/t.parquet=4",
        &[],
    ),
    (
        "two of three partitions",
        "base: s/d@1/a=1 s/d@2/a=1 s/d@3/a=1 | ours: -s/d@1/a s/d@1/o=2 -s/d@2/a s/d@2/o=2 s/d@3/o=2 | theirs: -s/d@1/a s/d@1/t=3 s/d@2/t=3 s/d@3/t=3",
        &["partition-overwritten-both s/d=1", "partition-overwritten-vs-appended s/d=2"],
    ),
    ("a new partition each", "base: s/d@1/a=1 | ours: s/d@2/o=2 | theirs: s/d@3/t=3", &[]),
    (
        "a partition dropped and another overwritten",
        "base: s/d@1/a=1 s/d@2/a=1 | ours: -s/d@1/a | theirs: -s/d@2/a s/d@2/t=3",
        &[],
    ),
    (
        "a partition and its subfolder",
        "base: s/d@1/a=1 s/d@1/h@1/a=1 | ours: -s/d@1/a s/d@1/o=2 | theirs: -s/d@1/h@1/a s/d@1/h@1/t=3",
        &[],
    ),
    (
        "files in the root of the repository",
        "base: a.csv=1 | ours: -a.csv o.csv=2 | theirs: -a.csv t.csv=3",
        &["partition-overwritten-both "],
    ),
    (
        "a rule leaves the folder to its objects",
        "base: _anabranch/merge.toml=[[rule]]~path='d/'~merge='builtin:three-way' d/a.csv=1 | ours: -d/a.csv d/o.csv=2 | theirs: -d/a.csv d/t.csv=3",
        &[],
    ),
    (
        "hidden files are no data",
        "base: d/_a.csv=1 | ours: -d/_a.csv d/_o.csv=2 | theirs: -d/_a.csv d/.t.csv=3",
        &[],
    ),
    // Commit files of Databricks' DBIO protocol: files stay, and count no longer.
    (
        "DBIO: both append",
        "base: d/p-1.parquet=1 | ours: d/p-2.parquet=2 d/_committed_2={'added':['p-2'],'removed':[]} | theirs: d/p-3.parquet=3 d/_committed_3={'added':['p-3'],'removed':[]}",
        &[],
    ),
    (
        "DBIO: both overwrite",
        "base: d/p-1.parquet=1 | ours: d/p-2.parquet=2 d/_committed_2={'removed':['p-1.parquet']} | theirs: d/p-3.parquet=3 d/_committed_3={'removed':['p-1.parquet']}",
        &["partition-overwritten-both d"],
    ),
    (
        "DBIO: one overwrites",
        "base: d/p-1.parquet=1 | ours: d/p-2.parquet=2 d/_committed_2={'removed':['p-1.parquet']} | theirs: d/p-3.parquet=3 d/_committed_3={'removed':[]}",
        &["partition-overwritten-vs-appended d"],
    ),
    (
        "DBIO: a commit that cannot be read",
        "base: d/p-1.parquet=1 | ours: d/p-2.parquet=2 d/_committed_2=? | theirs: d/p-3.parquet=3",
        &["partition-overwritten-vs-appended d"],
    ),
    (
        "DBIO: starts beside one another",
        "base: d/p-1.parquet=1 | ours: d/p-2.parquet=2 d/_started_2=x | theirs: d/p-3.parquet=3 d/_started_3=y",
        &[],
    ),
    (
        "DBIO: one transaction, two contents",
        "base: d/p-1.parquet=1 | ours: d/_started_2=x | theirs: d/_started_2=y",
        &["object-conflict d/_started_2"],
    ),
    // Summaries name data files.
    (
        "a summary against an append",
        "base: s/_metadata=1 s/a.parquet=1 | ours: s/_metadata=2 s/o.parquet=2 | theirs: s/t.parquet=3",
        &["summary-outdated s"],
    ),
    (
        "an append against a summary",
        "base: s/_metadata=1 s/a.parquet=1 | ours: s/o.parquet=2 | theirs: s/_metadata=2 s/t.parquet=3",
        &["summary-outdated s"],
    ),
    (
        "both write the summary",
        "base: s/_metadata=1 s/a.parquet=1 | ours: s/_metadata=2 s/o.parquet=2 | theirs: s/_metadata=3 s/t.parquet=3",
        &["summary-outdated s"],
    ),
    (
        "a summary against a removal in a partition",
        "base: s/_metadata=1 s/d@1/a=1 s/d@2/a=1 | ours: s/_metadata=2 s/d@3/o=2 | theirs: -s/d@1/a",
        &["summary-outdated s"],
    ),
    (
        "a new summary against an append",
        "base: s/a.parquet=1 | ours: s/_metadata=2 | theirs: s/t.parquet=3",
        &["summary-outdated s"],
    ),
    (
        "a summary swallows the partitions below",
        "base: s/_metadata=1 s/d@1/a=1 | ours: s/_metadata=2 -s/d@1/a s/d@1/o=2 | theirs: -s/d@1/a s/d@1/t=3",
        &["summary-outdated s"],
    ),
    (
        "a summary removed against an append",
        "base: s/_metadata=1 s/a.parquet=1 | ours: -s/_metadata | theirs: s/t.parquet=3",
        &[],
    ),
    (
        "a summary that nobody wrote",
        "base: s/_metadata=1 s/a.parquet=1 | ours: s/o.parquet=2 | theirs: s/t.parquet=3",
        &[],
    ),
    (
        "a summary against another dataset",
        "base: s/_metadata=1 s/a.parquet=1 u/a.parquet=1 | ours: s/_metadata=2 s/o.parquet=2 | theirs: u/t.parquet=3",
        &[],
    ),
    (
        "a summary against a hidden file",
        "base: s/_metadata=1 s/a.parquet=1 | ours: s/_metadata=2 s/o.parquet=2 | theirs: s/_tmp/x.parquet=3",
        &[],
    ),
    (
        "the same summary and data on both",
        "base: s/_metadata=1 s/a.parquet=1 | ours: s/_metadata=2 s/n.parquet=2 x=1 | theirs: s/_metadata=2 s/n.parquet=2 y=1",
        &[],
    ),
    (
        "a common schema against an append",
        "base: s/_common_metadata=1 s/a.parquet=1 | ours: s/_common_metadata=2 s/o.parquet=2 | theirs: s/t.parquet=3",
        &[],
    ),
    (
        "two common schemas",
        "base: s/_common_metadata=1 s/a.parquet=1 | ours: s/_common_metadata=2 | theirs: s/_common_metadata=3",
        &["object-conflict s/_common_metadata"],
    ),
    (
        "a manifest against an append",
        "base: s/_manifest=1 s/a.csv=1 | ours: s/_manifest=2 s/o.csv=2 | theirs: s/t.csv=3",
        &["summary-outdated s"],
    ),
    (
        "a symlink manifest against a removal",
        "base: s/_symlink_format_manifest/manifest=1 s/a.parquet=1 s/b.parquet=1 | ours: s/_symlink_format_manifest/manifest=2 s/o.parquet=2 | theirs: -s/a.parquet",
        &["summary-outdated s"],
    ),
    (
        "a symlink manifest in partitions",
        "base: s/_symlink_format_manifest/d@1/manifest=1 s/d@1/a=1 | ours: s/_symlink_format_manifest/d@2/manifest=2 s/d@2/o=2 | theirs: s/d@1/t=2",
        &["summary-outdated s"],
    ),
    (
        "the log of a stream sink",
        "base: s/_spark_metadata/0=1 s/a.parquet=1 | ours: s/_spark_metadata/1=2 s/o.parquet=2 | theirs: s/_spark_metadata/1=3 s/t.parquet=3",
        &["summary-outdated s"],
    ),
    (
        "a rule leaves the dataset to its objects",
        "base: _anabranch/merge.toml=[[rule]]~path='s/'~merge='builtin:three-way' s/_metadata=1 s/a.parquet=1 | ours: s/_metadata=2 s/o.parquet=2 | theirs: s/t.parquet=3",
        &[],
    ),
    // Markers vouch for what is there.
    (
        "a marker over data that is gone",
        "base: s/a.parquet=1 x=1 | ours: s/_SUCCESS=done | theirs: -s/a.parquet",
        &["marker-without-data s"],
    ),
    (
        "data goes below a new marker",
        "base: s/d@1/a=1 s/d@2/a=1 | ours: -s/d@1/a | theirs: s/_SUCCESS=done",
        &["marker-without-data s"],
    ),
    (
        "a marker over data of which some is left",
        "base: s/a.parquet=1 s/b.parquet=1 | ours: s/_SUCCESS=done | theirs: -s/a.parquet",
        &[],
    ),
    (
        "a schema over data that is gone",
        "base: s/a.parquet=1 x=1 | ours: s/_common_metadata=1 | theirs: -s/a.parquet",
        &["marker-without-data s"],
    ),
    (
        "an old marker and data that goes",
        "base: s/_SUCCESS=1 s/a.parquet=1 | ours: s/o.parquet=1 | theirs: -s/a.parquet",
        &[],
    ),
    // A file where the other side has a folder.
    ("a new file and a new folder", "base: x=1 | ours: a/b=1 | theirs: a/b/c=1", &["file-and-folder a/b"]),
    ("a new folder and a new file", "base: x=1 | ours: a/b/c/d=1 | theirs: a/b=1", &["file-and-folder a/b"]),
    ("the same at the top", "base: x=1 | ours: a=1 | theirs: a/b/c=1", &["file-and-folder a"]),
    ("a table and a file", "base: x=1 | ours: a/t=1 | theirs: a/t/#0=a a/t/p=1", &["file-and-folder a/t"]),
    ("a file and a table", "base: x=1 | ours: a/t/#0=a a/t/p=1 | theirs: a/t=1", &["file-and-folder a/t"]),
    (
        "a file changed that became a folder",
        "base: a/b=1 | ours: a/b=2 | theirs: -a/b a/b/c=1",
        &["file-and-folder a/b"],
    ),
    (
        "a folder that became a file, with a change in it",
        "base: a/b/c=1 | ours: -a/b/c a/b=1 | theirs: a/b/c=2",
        &["file-and-folder a/b"],
    ),
    ("a file that became a folder", "base: a/b=1 x=1 | ours: x=2 | theirs: -a/b a/b/c=1", &[]),
    ("a folder that became a file", "base: a/b/c=1 x=1 | ours: x=2 | theirs: -a/b/c a/b=1", &[]),
    ("an empty file and a folder", "base: x=1 | ours: a/b= | theirs: a/b/c=1", &[]),
    ("a marker of a folder and a file", "base: x=1 | ours: a/b=1 | theirs: a/b/=", &[]),
    ("a marker of old clients", "base: x=1 | ours: a/b_$folder$= | theirs: a/b/c=1", &[]),
    ("a marker and a folder", "base: x=1 | ours: a/b/= | theirs: a/b/c=1", &[]),
    ("a file beside a folder since long", "base: a/b=1 a/b/c=1 | ours: a/b=2 | theirs: a/b/d=1", &[]),
    ("a name that only begins like a folder", "base: x=1 | ours: a/b=1 | theirs: a/bc/d=1 a/b-c/d=1", &[]),
    ("the same new folder", "base: x=1 | ours: a/b/c=1 | theirs: a/b/d=1", &[]),
    // Names that differ only by case.
    ("two reports", "base: x=1 | ours: Report.csv=1 | theirs: report.csv=2", &["case-only Report.csv"]),
    ("a rename against a change", "base: d/A=1 | ours: -d/A d/a=1 | theirs: d/A=2", &["case-only d/A"]),
    ("a change against a rename", "base: d/A=1 | ours: d/A=2 | theirs: -d/A d/a=1", &["case-only d/A"]),
    ("two renames", "base: d/aa=1 | ours: -d/aa d/Aa=1 | theirs: -d/aa d/aA=1", &["case-only d/Aa"]),
    ("a rename alone", "base: d/A=1 x=1 | ours: x=2 | theirs: -d/A d/a=1", &[]),
    ("the same rename", "base: d/A=1 | ours: -d/A d/a=1 | theirs: -d/A d/a=1", &[]),
    ("both since long", "base: d/A=1 d/a=1 | ours: d/A=2 | theirs: d/a=2", &[]),
    ("both on one side", "base: x=1 | ours: d/A=1 d/a=1 | theirs: d/A=1 x=2", &[]),
    ("case beyond ASCII", "base: x=1 | ours: d/Ä=1 | theirs: d/ä=2", &["case-only d/Ä"]),
    // Files that say nothing, and checksum files.
    ("two markers of success", "base: s/a.txt=1 | ours: s/_SUCCESS=1 | theirs: s/_SUCCESS=2", &[]),
    ("a marker removed and written", "base: s/_SUCCESS=1 | ours: -s/_SUCCESS | theirs: s/_SUCCESS=2", &[]),
    ("a Finder's file", "base: d/.DS_Store=1 | ours: d/.DS_Store=2 | theirs: d/.DS_Store=3", &[]),
    (
        "checksums of a file that only theirs changed",
        "base: d/a.txt=1 d/.a.txt.crc=1 | ours: d/.a.txt.crc=2 | theirs: d/a.txt=3 d/.a.txt.crc=3",
        &[],
    ),
    (
        "checksums of a file that both changed",
        "base: d/a.txt=1 d/.a.txt.crc=1 | ours: d/a.txt=2 d/.a.txt.crc=2 | theirs: d/a.txt=3 d/.a.txt.crc=3",
        &["object-conflict d/a.txt"],
    ),
    (
        "checksums of a file that both added alike",
        "base: x=1 | ours: d/a.txt=2 d/.a.txt.crc=2 | theirs: d/a.txt=2 d/.a.txt.crc=3",
        &[],
    ),
    (
        "a checksum of one side only",
        "base: d/a.txt=1 | ours: d/a.txt=2 | theirs: d/a.txt=3 d/.a.txt.crc=3",
        &["object-conflict d/a.txt"],
    ),
    (
        "a checksum of nothing",
        "base: d/.a.crc=1 | ours: d/.a.crc=2 | theirs: d/.a.crc=3",
        &["object-conflict d/.a.crc"],
    ),
    (
        "no sidecar but a name",
        "base: d/a.crc=1 | ours: d/a.crc=2 | theirs: d/a.crc=3",
        &["object-conflict d/a.crc"],
    ),
    ("equal bytes written twice", "base: d/a.csv=1 | ours: d/a.csv=2 | theirs: d/a.csv=2", &[]),
    // Formats that no merger takes here.
    (
        "Lance: two versions",
        "base: l/_versions/1.manifest=1 l/data/a.lance=1 | ours: l/_versions/2.manifest=2 l/data/o.lance=2 | theirs: l/_versions/3.manifest=3 l/data/t.lance=3",
        &["structure-conflict l"],
    ),
    (
        "Lance: cleaned up and appended",
        "base: l/_versions/1.manifest=1 l/data/a.lance=1 | ours: -l/data/a.lance | theirs: l/_versions/2.manifest=2",
        &["structure-conflict l"],
    ),
    (
        "Lance: one side alone",
        "base: l/_versions/1.manifest=1 x=1 | ours: x=2 | theirs: l/_versions/2.manifest=2 l/data/t.lance=3",
        &[],
    ),
    (
        "Iceberg: expired and appended",
        "base: i/metadata/v1.metadata.json=1 i/data/a=1 | ours: -i/data/a | theirs: i/metadata/v2.metadata.json=2 i/data/t=2",
        &["structure-conflict i"],
    ),
    (
        "Iceberg: a hint without its metadata",
        "base: i/metadata/v1.metadata.json=1 i/metadata/version-hint.text=1 i/data/a=1 | ours: -i/metadata/v1.metadata.json | theirs: i/metadata/v2.metadata.json=2 i/data/t=2",
        &["table-damaged i"],
    ),
    (
        "Hudi: two instants",
        "base: h/.hoodie/hoodie.properties=1 | ours: h/.hoodie/1.commit=1 h/o=1 | theirs: h/.hoodie/2.commit=1 h/t=1",
        &["structure-conflict h"],
    ),
    (
        "Hudi: the metadata table belongs to the table",
        "base: h/.hoodie/hoodie.properties=1 h/.hoodie/metadata/.hoodie/hoodie.properties=1 | ours: h/.hoodie/metadata/.hoodie/1.deltacommit=1 | theirs: h/.hoodie/metadata/.hoodie/2.deltacommit=1",
        &["structure-conflict h"],
    ),
    (
        "Hudi: cleaned and appended",
        "base: h/.hoodie/hoodie.properties=1 h/a=1 | ours: -h/a h/.hoodie/1.clean=1 | theirs: h/.hoodie/2.commit=1 h/t=1",
        &["structure-conflict h"],
    ),
    (
        "Delta: a hint without its log",
        "base: t/#0=1 t/_delta_log/_last_checkpoint=1 t/p=1 | ours: -t/#0 | theirs: t/#1=2 t/q=1",
        &["table-damaged t"],
    ),
    (
        "Delta: a vacuum of what the other side lists",
        "base: t/#0=1 t/p=1 x=1 | ours: -t/p | theirs: t/#1=2 t/q=1",
        &["structure-conflict t"],
    ),
    ("Zarr: two chunks", "base: z/.zarray=1 z/0.0=1 z/0.1=1 | ours: z/0.0=2 | theirs: z/0.1=2 z/1.0=3", &[]),
    (
        "Zarr: a chunk erased beside another",
        "base: z/.zarray=1 z/0.0=1 z/0.1=1 | ours: -z/0.0 | theirs: z/0.1=2",
        &[],
    ),
    (
        "Zarr: one chunk",
        "base: z/.zarray=1 z/0.0=1 | ours: z/0.0=2 | theirs: z/0.0=3",
        &["structure-conflict z"],
    ),
    (
        "Zarr: a shape and a chunk",
        "base: z/.zarray=1 z/0.0=1 | ours: z/.zarray=2 z/1.0=2 | theirs: z/0.0=3",
        &["structure-conflict z"],
    ),
    (
        "Zarr: two shapes",
        "base: z/.zarray=1 z/0.0=1 | ours: z/.zarray=2 z/1.0=2 | theirs: z/.zarray=3 z/0.1=3",
        &["structure-conflict z"],
    ),
    (
        "Zarr: members of one group",
        "base: g/.zgroup=1 g/a/.zarray=1 g/a/0=1 g/b/.zarray=1 g/b/0=1 | ours: g/a/0=2 | theirs: g/b/0=2",
        &[],
    ),
    (
        "Zarr: metadata of two members",
        "base: g/.zgroup=1 g/.zmetadata=1 g/a/.zarray=1 g/b/.zarray=1 | ours: g/a/.zarray=2 g/.zmetadata=2 | theirs: g/b/.zarray=2",
        &["structure-conflict g"],
    ),
    (
        "Zarr: attributes against chunks",
        "base: g/.zgroup=1 g/a/.zarray=1 g/a/0=1 | ours: g/a/.zattrs=2 | theirs: g/a/0=2",
        &["structure-conflict g"],
    ),
    (
        "Zarr v3: chunks of two arrays",
        "base: g/zarr.json=1 g/a/zarr.json=1 g/a/c/0=1 g/b/zarr.json=1 | ours: g/a/c/0=2 | theirs: g/b/c/0/1=2",
        &[],
    ),
    (
        "Zarr v3: consolidated metadata",
        "base: g/zarr.json=1 g/a/zarr.json=1 g/b/zarr.json=1 | ours: g/zarr.json=2 g/a/zarr.json=2 | theirs: g/b/zarr.json=2",
        &["structure-conflict g"],
    ),
    (
        "Zarr: two versions of the format",
        "base: z/.zarray=1 z/0=1 | ours: -z/.zarray z/zarr.json=1 | theirs: z/0=2 z/.zarray=2",
        &["structure-conflict z"],
    ),
    ("Zarr: one side alone", "base: z/.zarray=1 z/0=1 x=1 | ours: x=2 | theirs: z/.zarray=2 z/1=2", &[]),
    (
        "Zarr beside one another",
        "base: y/.zarray=1 z/.zarray=1 | ours: y/.zarray=2 | theirs: z/.zarray=2",
        &[],
    ),
];
