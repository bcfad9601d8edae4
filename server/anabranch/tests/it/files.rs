//! Files and folders that come and go: `put`, `get`, `cp`, `rm`.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use expect_test::expect;

use crate::lake::Lake;

/// A folder with a table's files and others.
fn folder(lake: &Lake) {
    lake.write("flights/_delta_log/00000000000000000000.json", "{}\n");
    lake.write("flights/part-0.parquet", [7; 1000]);
    lake.write("flights/day=1/part-1.parquet", [8; 300_000]);
    lake.write("flights/empty", "");
}

#[test]
fn one_file_there_and_back() {
    let lake = Lake::with_repository();
    lake.write("a.csv", "1,2\n");
    lake.check(
        "put sales main raw/a.csv a.csv",
        expect![[r#"
        wrote raw/a.csv (4 bytes), uncommitted on main
    "#]],
    );
    lake.check(
        "put sales main raw/a.csv a.csv",
        expect![[r#"
        there already: raw/a.csv (4 bytes)
    "#]],
    );
    lake.check(
        "put sales main raw/ a.csv --always",
        expect![[r#"
        wrote raw/a.csv (4 bytes), uncommitted on main
    "#]],
    );
    lake.check(
        "put sales main raw/a.csv a.csv --create-only",
        expect![[r#"
        anabranch: precondition failed for raw/a.csv: it has entity tag 3ecfad755fa825f7a17c5526ec44e651
        exit code 2
    "#]],
    );
    lake.check(
        "put sales main raw/ nowhere.csv",
        expect![[r#"
        anabranch: nowhere.csv cannot be read: No such file or directory (os error 2)
        exit code 2
    "#]],
    );
    lake.check(
        "stat sales main raw/a.csv",
        expect![[r#"
            path        raw/a.csv
            size        4 bytes
            modified    <time>
            checksum    3ecfad755fa825f7a17c5526ec44e651
            media type  text/csv
            address     local://sales/data/<id>/<id>#4096+4
        "#]],
    );
    lake.check(
        "stat sales main raw/a.csv --json",
        expect![[r#"
            {
              "path": "raw/a.csv",
              "path_type": "object",
              "physical_address": "local://sales/data/<id>/<id>#4096+4",
              "checksum": "3ecfad755fa825f7a17c5526ec44e651",
              "size_bytes": 4,
              "mtime": <moment>,
              "metadata": {},
              "content_type": "text/csv"
            }
        "#]],
    );
    lake.check(
        "cat sales main raw/a.csv",
        expect![[r#"
        1,2
    "#]],
    );
    lake.check(
        "get sales main raw/a.csv",
        expect![[r#"
        there already: a.csv (4 bytes)
    "#]],
    );
    lake.check(
        "get sales main raw/a.csv new/",
        expect![[r#"
        wrote new/a.csv (4 bytes)
    "#]],
    );
    lake.check(
        "get sales main raw/a.csv new/ --json",
        expect![[r#"
        {
          "path": "raw/a.csv",
          "file": "new/a.csv",
          "bytes": 4,
          "outcome": "skipped"
        }
    "#]],
    );
    lake.check(
        "get sales main raw",
        expect![[r#"
        anabranch: "raw" is no object but a folder of 1 object: write 'raw/' to get all of it
        exit code 2
    "#]],
    );
    lake.check(
        "get sales main nothing",
        expect![[r#"
        anabranch: there is no object "nothing" on main of sales
        exit code 2
    "#]],
    );
    assert_eq!(fs::read(lake.file("new/a.csv")).unwrap(), b"1,2\n");
}

#[test]
fn the_standard_input_becomes_an_object() {
    let lake = Lake::with_repository();
    let mut putting =
        lake.against("put sales main in.txt").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    putting.stdin.take().unwrap().write_all(b"from a pipe").unwrap();
    assert!(putting.wait().unwrap().success());
    lake.check("cat sales main in.txt", expect!["from a pipe"]);
}

#[test]
fn a_folder_there_and_back_and_only_what_is_missing_moves() {
    let lake = Lake::with_repository();
    folder(&lake);
    lake.check(
        "put sales main tables/flights flights",
        expect![[r#"
        wrote 4 objects (301003 bytes) below tables/flights/, uncommitted on main
    "#]],
    );
    lake.check(
        "put sales main tables/flights flights",
        expect![[r#"
        wrote 0 objects (0 bytes) below tables/flights/, uncommitted on main; 4 were there already
    "#]],
    );
    lake.write("flights/part-0.parquet", [9; 1000]);
    lake.check(
        "put sales main tables/flights/ flights --json",
        expect![[r#"
            {
              "transferred": 1,
              "skipped": 3,
              "bytes": 1000,
              "results": [
                {
                  "path": "tables/flights/_delta_log/00000000000000000000.json",
                  "outcome": "skipped"
                },
                {
                  "path": "tables/flights/day=1/part-1.parquet",
                  "outcome": "skipped"
                },
                {
                  "path": "tables/flights/empty",
                  "outcome": "skipped"
                },
                {
                  "path": "tables/flights/part-0.parquet",
                  "outcome": "transferred",
                  "bytes": 1000
                }
              ]
            }
        "#]],
    );
    lake.check(
        "get sales main tables/flights/ back",
        expect![[r#"
        wrote 4 objects (301003 bytes) below back
    "#]],
    );
    lake.check(
        "get sales main tables/flights/ back",
        expect![[r#"
        wrote 0 objects (0 bytes) below back; 4 were there already
    "#]],
    );
    fs::remove_file(lake.file("back/day=1/part-1.parquet")).unwrap();
    lake.write("back/part-0.parquet", "half");
    lake.check(
        "get sales main tables/flights/ back --parallel 1",
        expect![[r#"
        wrote 2 objects (301000 bytes) below back; 2 were there already
    "#]],
    );
    for file in ["_delta_log/00000000000000000000.json", "part-0.parquet", "day=1/part-1.parquet", "empty"] {
        let (there, back) = (lake.file(&format!("flights/{file}")), lake.file(&format!("back/{file}")));
        assert_eq!(fs::read(there).unwrap(), fs::read(back).unwrap(), "{file}");
    }
    lake.check(
        "get sales main / everything",
        expect![[r#"
        wrote 4 objects (301003 bytes) below everything
    "#]],
    );
    lake.check(
        "get sales main nothing/",
        expect![[r#"
        anabranch: nothing is below "nothing/" on main of sales
        exit code 2
    "#]],
    );
}

#[test]
fn a_download_that_broke_off_goes_on_where_it_ended() {
    let lake = Lake::with_repository();
    let content: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    lake.write("big", &content);
    lake.run("put sales main big big");
    // What a download leaves that is killed halfway: its first half, under another name.
    fs::create_dir_all(lake.file("got")).unwrap();
    let part = lake.file(&format!("got/.anabranch-{}.part", part_digest("big", &md5(&content))));
    fs::write(&part, &content[..content.len() / 2]).unwrap();
    lake.check(
        "get sales main big got/",
        expect![[r#"
        wrote got/big (400000 bytes)
    "#]],
    );
    assert_eq!(fs::read(lake.file("got/big")).unwrap(), content);
    assert!(!part.exists(), "nothing is left");
    // Damage in what is there is found by the checksum, and the file never gets its name.
    fs::remove_file(lake.file("got/big")).unwrap();
    fs::write(&part, [0; 5000]).unwrap();
    lake.check(
        "get sales main big got/",
        expect![[r#"
        anabranch: the bytes that came are not those of the object: get it again
        exit code 2
    "#]],
    );
    assert!(!lake.file("got/big").exists());
    lake.check(
        "get sales main big got/",
        expect![[r#"
        wrote got/big (400000 bytes)
    "#]],
    );
    assert_eq!(fs::read(lake.file("got/big")).unwrap(), content);
}

fn md5(content: &[u8]) -> String {
    use md5::Digest;
    hex::encode(md5::Md5::digest(content))
}

fn part_digest(name: &str, checksum: &str) -> String {
    md5(&[name.as_bytes(), b"\0", checksum.as_bytes()].concat())
}

#[test]
fn names_that_no_file_can_have_stay_out() {
    let lake = Lake::with_repository();
    lake.write("x", "x");
    lake.run("put sales main d/ok x");
    lake.run("put sales main d//hidden x");
    lake.check(
        "get sales main d/ out",
        expect![[r#"
        anabranch: 1 of 2 objects failed:
          d//hidden: no file can have this path: get the object by itself, and name the file
        the same command again moves only what is missing
        exit code 2
    "#]],
    );
    assert!(lake.file("out/ok").exists());
}

#[test]
fn objects_and_folders_are_copied() {
    let lake = Lake::with_repository();
    folder(&lake);
    lake.run("repo create archive");
    lake.run("branch create sales dev");
    lake.run("put sales main t flights");
    lake.check(
        "cp sales/main/t/empty sales/dev/none",
        expect![[r#"
        copied sales/main/t/empty to sales/dev/none (0 bytes), uncommitted
    "#]],
    );
    lake.check(
        "cp sales/main/t/ sales/dev/copy/",
        expect![[r#"
        copied 4 objects (301003 bytes) to sales/dev/copy/, uncommitted
    "#]],
    );
    lake.check(
        "cp s3://sales/main/t sales/dev/copy --recursive",
        expect![[r#"
        copied 0 objects (0 bytes) to sales/dev/copy/, uncommitted; 4 were there already
    "#]],
    );
    lake.check(
        "cp sales/main/t/ archive/main/ --json",
        expect![[r#"
        {
          "transferred": 4,
          "skipped": 0,
          "bytes": 301003,
          "results": [
            {
              "path": "t/_delta_log/00000000000000000000.json",
              "outcome": "transferred",
              "bytes": 3
            },
            {
              "path": "t/day=1/part-1.parquet",
              "outcome": "transferred",
              "bytes": 300000
            },
            {
              "path": "t/empty",
              "outcome": "transferred",
              "bytes": 0
            },
            {
              "path": "t/part-0.parquet",
              "outcome": "transferred",
              "bytes": 1000
            }
          ]
        }
    "#]],
    );
    lake.check("cp sales/main/t archive/main/", expect![[r#"
        anabranch: sales/main/t is no object but a folder of 4 objects: write 'sales/main/t/' to copy all of it
        exit code 2
    "#]]);
    lake.check(
        "cp sales/main archive",
        expect![[r#"
        error: invalid value 'archive' for '<DESTINATION>': write REPOSITORY/REF/PATH

        For more information, try '--help'.
        exit code 2
    "#]],
    );
    lake.check(
        "ls archive main",
        expect![[r#"
        SIZE  MODIFIED                 PATH
        -     -                        _delta_log/
        -     -                        day=1/
        0     <time>  empty
        1000  <time>  part-0.parquet
    "#]],
    );
    lake.check(
        "ls sales dev -r",
        expect![[r#"
        SIZE    MODIFIED                 PATH
        3       <time>  copy/_delta_log/00000000000000000000.json
        300000  <time>  copy/day=1/part-1.parquet
        0       <time>  copy/empty
        1000    <time>  copy/part-0.parquet
        0       <time>  none
    "#]],
    );
}

#[test]
fn a_folder_is_removed_only_when_that_is_meant() {
    let lake = Lake::with_repository();
    folder(&lake);
    lake.run("put sales main t flights");
    lake.run("put sales main t flights/empty");
    lake.check(
        "rm sales main t/empty",
        expect![[r#"
        removed 1 path, uncommitted on main
    "#]],
    );
    lake.check("rm sales main t --recursive", expect![[r#"
        anabranch: this would remove 4 objects from the branch main of sales: give --yes to do it without a question
        exit code 2
    "#]]);
    lake.check(
        "rm sales main t -r --yes",
        expect![[r#"
        removed 4 objects, uncommitted on main
    "#]],
    );
    lake.check(
        "rm sales main t -r --yes --json",
        expect![[r#"
        {
          "removed": []
        }
    "#]],
    );
    lake.check(
        "ls sales main",
        expect![[r#"
        SIZE  MODIFIED  PATH
    "#]],
    );
}
