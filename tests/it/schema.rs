//! The two migration folders are twins, and `src/db/schema.rs` says what they make.

use std::{collections::BTreeMap, fs, path::Path};

use belfry::db::{AnyConnection, DatabaseAddress};
use diesel::{
    RunQueryDsl as _, sql_query,
    sql_types::{Bool, Text},
};

use crate::harness::{Backend, TestApp, run};

/// A column: its type in the words of `schema.rs`, and whether it may be null.
type Columns = BTreeMap<String, (String, bool)>;
type Tables = BTreeMap<String, Columns>;

#[derive(diesel::QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    in_table: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    nullable: bool,
}

const SQLITE: &str = "
    SELECT t.name AS in_table, c.name AS name, c.type AS kind, c.\"notnull\" = 0 AND c.pk = 0 AS nullable
    FROM sqlite_master t JOIN pragma_table_info(t.name) c
    WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name NOT LIKE '\\_\\_%' ESCAPE '\\'";

const POSTGRES: &str = "
    SELECT table_name::text AS in_table, column_name::text AS name, data_type::text AS kind,
           is_nullable = 'YES' AS nullable
    FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_%'";

/// The tables of a migrated database.
fn tables_of(c: &mut AnyConnection) -> belfry::error::Result<Tables> {
    let query = match c {
        AnyConnection::Sqlite(_) => SQLITE,
        AnyConnection::Postgres(_) => POSTGRES,
    };
    let mut tables = Tables::new();
    for Column { in_table, name, kind, nullable } in sql_query(query).load::<Column>(c)? {
        tables.entry(in_table).or_default().insert(name, (word(&kind).to_owned(), nullable));
    }
    Ok(tables)
}

/// A database's type in the words of `schema.rs`.
fn word(kind: &str) -> &str {
    match kind.to_ascii_lowercase().as_str() {
        "integer" | "bigint" => "BigInt",
        "text" => "Text",
        "boolean" => "Bool",
        "timestamp" | "timestamp without time zone" => "Timestamp",
        "blob" | "bytea" => "Binary",
        other => panic!("the type {other} has no twin on the other database"),
    }
}

/// The tables that `schema.rs` declares.
fn declared() -> Tables {
    let text = include_str!("../../src/db/schema.rs");
    let mut tables = Tables::new();
    for table in text.split("diesel::table! {").skip(1) {
        let mut lines = table.lines().map(str::trim).filter(|line| !line.is_empty());
        let name = lines.next().and_then(|line| line.split(' ').next()).expect("a table's name");
        let columns = lines.map_while(|line| line.strip_suffix(',')?.split_once(" -> "));
        let columns = columns.map(|(column, kind)| {
            let inner = kind.strip_prefix("Nullable<").and_then(|kind| kind.strip_suffix('>'));
            (column.to_owned(), (inner.unwrap_or(kind).to_owned(), inner.is_some()))
        });
        tables.insert(name.to_owned(), columns.collect());
    }
    tables
}

fn compare(backend: Backend) {
    run(backend, async |app: &TestApp| {
        let tables = app.db.read(tables_of).await.expect("the catalogue can be read");
        let declared = declared();
        assert!(declared.len() > 10 && declared["accounts"].contains_key("username"));
        assert_eq!(tables, declared, "left: the migrations; right: src/db/schema.rs");
    });
}

#[test]
fn the_sqlite_migrations_make_what_the_schema_says() {
    compare(Backend::Sqlite);
}

#[test]
fn the_postgres_migrations_make_what_the_schema_says() {
    compare(Backend::Postgres);
}

fn names(folder: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
    let mut names: Vec<String> =
        fs::read_dir(path).expect("a folder").map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_two_folders_hold_the_same_migrations() {
    assert_eq!(names("sqlite"), names("postgres"));
}

/// Indexes and unique constraints by table and columns: a rule that one database lacks would let in what the other
/// refuses.
#[test]
fn both_databases_have_the_same_unique_rules_and_indexes() {
    let indexes = |backend, query: &'static str| {
        let found = std::sync::Mutex::new(Vec::new());
        run(backend, async |app: &TestApp| {
            *found.lock().unwrap() = app.db.read(move |c| crate::harness::lines(c, query.to_owned())).await.unwrap();
        });
        let mut found = found.into_inner().unwrap();
        found.sort();
        found
    };
    let sqlite = indexes(
        Backend::Sqlite,
        "SELECT t.name || ' ' || i.\"unique\" || ' ' ||
                (SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)) AS line
         FROM sqlite_master t JOIN pragma_index_list(t.name) i
         WHERE t.type = 'table' AND t.name NOT LIKE '\\_\\_%' ESCAPE '\\'",
    );
    let postgres = indexes(
        Backend::Postgres,
        "SELECT c.relname || ' ' || i.indisunique::int || ' ' ||
                (SELECT string_agg(a.attname, ',' ORDER BY k.place)
                 FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(number, place)
                 JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number) AS line
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'public' AND c.relname NOT LIKE '\\_\\_%'",
    );
    // A key that is a number counted by the database itself has no index of its own on SQLite.
    let rules = |lines: Vec<String>| lines.into_iter().filter(|line| !line.ends_with(" 1 id")).collect::<Vec<_>>();
    assert_eq!(rules(sqlite), rules(postgres));
}

#[test]
fn a_migrated_database_opens_again_and_loses_nothing() {
    let folder = crate::harness::folder();
    let address = DatabaseAddress::parse(&format!("sqlite://{}", folder.path().join("belfry.db").display())).unwrap();
    for _ in 0..2 {
        belfry::db::Database::open(&address).expect("the database opens");
    }
}
