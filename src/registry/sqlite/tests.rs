use std::path::Path;

use rusqlite::Connection;
use tempfile::tempdir;

use super::{StoreError, open};

const FIRST: &str = "CREATE TABLE things (name TEXT NOT NULL) STRICT";
const SECOND: &str = "ALTER TABLE things ADD COLUMN size INTEGER NOT NULL DEFAULT 7;
    CREATE INDEX by_size ON things (size);
    UPDATE things SET size = length(name) WHERE name <> 'old'";

fn pragma<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> T {
    connection
        .pragma_query_value(None, name, |row| row.get(0))
        .expect("a pragma")
}

fn things(connection: &Connection) -> Vec<(String, i64)> {
    let mut all = connection
        .prepare("SELECT name, size FROM things ORDER BY name")
        .expect("a query");
    let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let rows: rusqlite::Result<_> = rows.expect("rows").collect();
    rows.expect("rows")
}

/// A database of the first schema with two things.
fn of_first(path: &Path) {
    let connection = open(path, &[FIRST]).expect("a new database");
    assert_eq!(pragma::<i64>(&connection, "user_version"), 1);
    connection
        .execute_batch("INSERT INTO things VALUES ('old'), ('new thing')")
        .expect("written");
}

#[test]
fn each_commit_is_on_the_disk_before_it_is_answered_however_often_it_is_opened() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    for _ in 0..2 {
        let connection = open(&path, &[FIRST]).expect("a database");
        // FULL: the log is synced at each commit.
        assert_eq!(pragma::<i64>(&connection, "synchronous"), 2);
        assert_eq!(pragma::<String>(&connection, "journal_mode"), "wal");
        assert_eq!(pragma::<String>(&connection, "locking_mode"), "exclusive");
    }
}

#[test]
fn a_database_of_an_earlier_schema_is_led_on_to_the_newest_with_what_is_in_it() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    of_first(&path);
    let wanted = [("new thing".to_owned(), 9), ("old".to_owned(), 7)];
    // The second time there is nothing to do: a column cannot be added twice.
    for _ in 0..2 {
        let connection = open(&path, &[FIRST, SECOND]).expect("it is led on");
        assert_eq!(pragma::<i64>(&connection, "user_version"), 2);
        assert_eq!(things(&connection), wanted);
    }
    let earlier = open(&path, &[FIRST]).expect_err("the earlier program does not know it");
    assert!(
        matches!(
            earlier,
            StoreError::Newer {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{earlier}"
    );
    let other = folder.path().join("b.db");
    let new = open(&other, &[FIRST, SECOND]).expect("a new one walks the same way");
    assert_eq!(pragma::<i64>(&new, "user_version"), 2);
}

#[test]
fn a_step_that_fails_leaves_the_database_as_it_was() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    of_first(&path);
    let broken = "ALTER TABLE things ADD COLUMN size INTEGER NOT NULL DEFAULT 7; DELETE FROM things; SELECT nonsense";
    let failed = open(&path, &[FIRST, broken]).expect_err("it fails");
    assert!(
        failed.to_string().starts_with("bring up to date"),
        "{failed}"
    );
    let connection = open(&path, &[FIRST, SECOND]).expect("the right one can still be walked");
    assert_eq!(things(&connection).len(), 2);
}
