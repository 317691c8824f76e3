//! Whether a database can be used by this program: of its version, readable, writable, whole.

use std::{
    collections::{BTreeSet, HashSet},
    sync::LazyLock,
};

use diesel::{RunQueryDsl as _, migration::MigrationSource, sql_query, sql_types::Text, sqlite::Sqlite};

use super::{AnyConnection, Database, SQLITE_MIGRATIONS};
use crate::error::Result;

/// The versions of this program's migrations; those of the other database are the same.
static KNOWN_VERSIONS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let migrations = MigrationSource::<Sqlite>::migrations(&SQLITE_MIGRATIONS).unwrap_or_default();
    migrations.iter().map(|migration| migration.name().version().to_string()).collect()
});

/// The tables of this program, each with its columns.
static SCHEMA: LazyLock<Vec<(&str, Vec<&str>)>> = LazyLock::new(|| read_schema(include_str!("schema.rs")));

fn read_schema(text: &'static str) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut tables: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("        "), line.strip_prefix("    ")) {
            (Some(column), _) => {
                if let (Some((name, _)), Some((_, columns))) = (column.split_once(" -> "), tables.last_mut()) {
                    columns.push(name);
                }
            }
            (None, Some(table)) => {
                tables.extend(
                    table.split_once(" (").filter(|_| table.ends_with('{')).map(|(name, _)| (name, Vec::new())),
                );
            }
            (None, None) => {}
        }
    }
    tables
}

#[derive(diesel::QueryableByName)]
struct TextRow {
    #[diesel(sql_type = Text)]
    line: String,
}

fn query_text(c: &mut AnyConnection, query: &str) -> Result<Vec<String>> {
    Ok(sql_query(query).load::<TextRow>(c)?.into_iter().map(|row| row.line).collect())
}

fn applied_versions(c: &mut AnyConnection) -> Result<BTreeSet<String>> {
    Ok(query_text(c, "SELECT version AS line FROM __diesel_schema_migrations")?.into_iter().collect())
}

impl Database {
    /// Whether the tables are those of this program: neither older nor newer, and none of them, nor of their columns, is
    /// missing.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn has_current_schema(&self) -> Result<bool> {
        self.read(|c| Ok(applied_versions(c)? == *KNOWN_VERSIONS && missing_parts(c)?.is_none())).await
    }

    /// Writes a row as it was, down to the disk.
    ///
    /// # Errors
    /// When nothing can be written at the moment.
    pub async fn probe_write(&self) -> Result<()> {
        self.write(|c| Ok(sql_query("UPDATE log_in_settings SET id = id").execute(c).map(drop)?)).await
    }
}

/// Whether there are no tables yet, because no Belfry has started on it.
#[must_use]
pub fn has_no_tables(c: &mut AnyConnection) -> bool {
    let empty = match c {
        AnyConnection::Sqlite(_) => "SELECT 'x' AS line WHERE NOT EXISTS (SELECT 1 FROM sqlite_master)",
        AnyConnection::Postgres(_) => "SELECT 'x' AS line WHERE to_regclass('__diesel_schema_migrations') IS NULL",
    };
    query_text(c, empty).is_ok_and(|found| !found.is_empty())
}

/// Why a database is none that this program may migrate and use, as the end of a sentence: it belongs to a newer version, or,
/// being a file that somebody named, to another program.
pub(super) fn unusable_reason(c: &mut AnyConnection) -> Option<&'static str> {
    if has_no_tables(c) {
        return None;
    }
    match applied_versions(c) {
        Ok(applied) if !applied.is_subset(&KNOWN_VERSIONS) => {
            Some("it was migrated by a newer Belfry; run that one, or restore a backup from before")
        }
        // On Postgres others' tables may be there too, and the migrations say so when they are in the way.
        Ok(applied) if applied.is_empty() && matches!(c, AnyConnection::Sqlite(_)) => foreign_tables_reason(c),
        Err(_) if matches!(c, AnyConnection::Sqlite(_)) => foreign_tables_reason(c),
        _ => None,
    }
}

/// What a migrated database does not have of this program's tables and columns, as the end of a sentence: somebody dropped or renamed
/// them, made half a migration by hand, or restored a part. One query: it is asked whenever somebody asks whether a process is ready.
pub(super) fn missing_parts(c: &mut AnyConnection) -> Result<Option<String>> {
    let asked = match c {
        AnyConnection::Sqlite(_) => "SELECT own.name || '.' || own_column.name AS line FROM sqlite_master AS own \
             JOIN pragma_table_info(own.name) AS own_column WHERE own.type = 'table'"
            .to_owned(),
        AnyConnection::Postgres(_) => {
            let names: Vec<String> = SCHEMA.iter().map(|(name, _)| format!("('{name}')")).collect();
            format!(
                "SELECT own.name || '.' || attname AS line FROM (VALUES {}) AS own (name) \
                 JOIN pg_attribute ON attrelid = to_regclass(own.name) WHERE attnum > 0 AND NOT attisdropped",
                names.join(", ")
            )
        }
    };
    let there: HashSet<String> = query_text(c, &asked)?.into_iter().collect();
    let (mut tables, mut columns) = (Vec::new(), Vec::new());
    for (table, own) in SCHEMA.iter() {
        let own = own.iter().map(|column| format!("{table}.{column}"));
        let (known, missing): (Vec<_>, Vec<_>) = own.partition(|column| there.contains(column));
        if known.is_empty() {
            tables.push((*table).to_owned());
        } else {
            columns.extend(missing);
        }
    }
    let parts = [("table", tables), ("column", columns)].into_iter().filter(|(_, names)| !names.is_empty());
    let parts: Vec<String> = parts.map(|(what, names)| format!("no {what} {}", names.join(", "))).collect();
    Ok((!parts.is_empty()).then(|| format!("it has {}; restore a backup", parts.join(" and "))))
}

fn foreign_tables_reason(c: &mut AnyConnection) -> Option<&'static str> {
    let others = "SELECT name AS line FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' \
                  AND name <> '__diesel_schema_migrations'";
    let found = query_text(c, others).is_ok_and(|found| !found.is_empty());
    found.then_some("it holds the tables of another program; name a file of its own")
}

/// The faults of a database that has tables, a sentence each.
#[must_use]
pub fn database_errors(c: &mut AnyConnection) -> Vec<String> {
    let mut faults = Vec::new();
    match applied_versions(c) {
        Ok(applied) if !applied.is_subset(&KNOWN_VERSIONS) => faults.push(
            "The database was migrated by a newer Belfry: run that one, or restore a backup from before.".to_owned(),
        ),
        Ok(applied) if applied != *KNOWN_VERSIONS => faults.push(
            "The database's tables are of an older Belfry: make a backup and start belfry, which migrates them."
                .to_owned(),
        ),
        Ok(_) => match missing_parts(c) {
            Ok(None) => {}
            Ok(Some(missing)) => faults.push(format!("The database is damaged: {missing}.")),
            Err(fault) => faults.push(format!("The database does not say which tables it has: {fault}.")),
        },
        Err(fault) => faults.push(format!("The database does not say which tables it has: {fault}.")),
    }
    if matches!(c, AnyConnection::Sqlite(_)) {
        faults.extend(integrity_errors(c));
    }
    faults
}

/// What SQLite itself finds wrong.
fn integrity_errors(c: &mut AnyConnection) -> Vec<String> {
    let check_rows = query_text(c, "SELECT integrity_check AS line FROM pragma_integrity_check LIMIT 10");
    let problems = match check_rows {
        Ok(found) => found.into_iter().filter(|line| line != "ok").collect(),
        Err(fault) => vec![fault.to_string()],
    };
    let damage_errors = problems.into_iter().map(|what| format!("The database is damaged, restore a backup: {what}."));
    let orphans = query_text(
        c,
        "SELECT \"table\" || ' ' || count(*) || ' ' || parent AS line FROM pragma_foreign_key_check \
         GROUP BY \"table\", parent",
    );
    let orphans = match orphans {
        Ok(found) => found,
        Err(fault) => vec![fault.to_string()],
    };
    let orphans = orphans.into_iter().map(|line| {
        let mut words = line.split(' ');
        let (table, count, parent) = (words.next(), words.next(), words.next());
        let [table, count, parent] = [table, count, parent].map(Option::unwrap_or_default);
        format!("The database is damaged, restore a backup: {count} rows of {table} point to rows of {parent} that are not there.")
    });
    damage_errors.chain(orphans).collect()
}

/// What a database is told to do that loses what was acknowledged. SQLite is told otherwise by every connection.
#[must_use]
pub fn durability_warnings(c: &mut AnyConnection) -> Vec<String> {
    if matches!(c, AnyConnection::Sqlite(_)) {
        return Vec::new();
    }
    let off = |setting: &&str| {
        query_text(c, &format!("SELECT current_setting('{setting}') AS line")).is_ok_and(|value| value == ["off"])
    };
    let off = ["synchronous_commit", "fsync", "full_page_writes"].into_iter().filter(off);
    off.map(|setting| {
        format!("Postgres has {setting} off, so that an alert that was answered with 201 may be lost when its machine fails: turn it on.")
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_the_schema_is_looked_for_with_its_columns() {
        let schema = include_str!("schema.rs");
        assert_eq!(SCHEMA.len(), schema.matches("diesel::table!").count());
        let columns: usize = SCHEMA.iter().map(|(_, columns)| columns.len()).sum();
        assert_eq!(
            columns,
            schema.lines().filter(|line| line.starts_with("        ") && line.contains(" -> ")).count()
        );
        let (name, columns) = &SCHEMA[0];
        assert_eq!((*name, columns[0], columns[1]), ("accounts", "id", "username"));
    }
}
