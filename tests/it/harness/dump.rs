//! Everything that a database holds, as text: to see that nothing changed, and what must not be in it.

use std::collections::BTreeMap;

use belfry::db::{AnyConnection, Database};
use diesel::{RunQueryDsl as _, sql_query, sql_types::Text};

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// Belfry writes these rows up to a second after the refusals they count, so two dumps around a refusal may differ.
const WRITTEN_LATER: &str = "refused_posts";

/// The rows of every table except [`WRITTEN_LATER`], each as one line, sorted. Binary columns are in hexadecimal.
pub async fn dump(db: &Database) -> BTreeMap<String, Vec<String>> {
    db.read(|c| {
        let mut tables = BTreeMap::new();
        for table in lines(c, tables_query(c))?.into_iter().filter(|table| table != WRITTEN_LATER) {
            let query = match c {
                AnyConnection::Postgres(_) => format!("SELECT t::text AS line FROM {table} t ORDER BY 1"),
                AnyConnection::Sqlite(_) => {
                    let columns =
                        lines(c, format!("SELECT name AS line FROM pragma_table_info('{table}') ORDER BY cid"))?;
                    let quoted: Vec<String> = columns.iter().map(|column| format!("quote(\"{column}\")")).collect();
                    format!("SELECT {} AS line FROM {table} ORDER BY 1", quoted.join(" || ',' || "))
                }
            };
            let rows = lines(c, query)?;
            tables.insert(table, rows);
        }
        Ok(tables)
    })
    .await
    .expect("the database can be read")
}

fn tables_query(c: &AnyConnection) -> String {
    match c {
        AnyConnection::Postgres(_) => {
            "SELECT table_name::text AS line FROM information_schema.tables WHERE table_schema = 'public'".to_owned()
        }
        AnyConnection::Sqlite(_) => {
            "SELECT name AS line FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'".to_owned()
        }
    }
}

/// The first column, named `line`, of a query.
pub fn lines(c: &mut AnyConnection, query: String) -> belfry::error::Result<Vec<String>> {
    Ok(sql_query(query).load::<Line>(c)?.into_iter().map(|row| row.line).collect())
}
