//! Changes of rows whose SQL is always the same, so that each is planned once for a connection.
//!
//! Diesel keeps the prepared statement of every query but that of an update, because the columns that it sets may be put together
//! anew each time. Here they never are. To plan an update takes longer than to change a row, and costs Postgres a round trip.

use std::marker::PhantomData;

use diesel::{
    AppearsOnTable, AsChangeset, Expression, PgConnection, QuerySource, RunQueryDsl, SelectableExpression,
    SqliteConnection,
    backend::Backend,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    query_dsl::methods::{ExecuteDsl, LoadQuery},
    result::QueryResult,
    sql_types::BoolOrNullableBool,
};

use super::{AnyConnection, on_backend};

/// The rows of a table for which this holds, to be changed.
pub fn cached_update<T, P>(table: T, predicate: P) -> UpdateTarget<T, P>
where
    T: QuerySource,
    P: AppearsOnTable<T> + Expression<SqlType: BoolOrNullableBool>,
{
    UpdateTarget { table, predicate }
}

/// Rows to be changed.
#[derive(Clone, Copy, Debug)]
pub struct UpdateTarget<T, P> {
    table: T,
    predicate: P,
}

impl<T: QuerySource, P> UpdateTarget<T, P> {
    /// What they become. The columns must be the same at every call: no changeset that leaves out a column at times.
    pub fn set<V: AsChangeset<Target = T>>(self, values: V) -> CachedUpdate<T, T::FromClause, P, V::Changeset> {
        CachedUpdate {
            from: self.table.from_clause(),
            predicate: self.predicate,
            values: values.as_changeset(),
            table: PhantomData,
        }
    }
}

/// A change of rows.
#[derive(Clone, Copy, Debug)]
pub struct CachedUpdate<T, F, P, V> {
    from: F,
    predicate: P,
    values: V,
    table: PhantomData<T>,
}

/// A change of rows that answers something of each.
#[derive(Clone, Copy, Debug)]
pub struct UpdateReturning<C, R>(C, R);

impl<T, F, P, V> CachedUpdate<T, F, P, V> {
    /// Answers this of each row that is changed.
    pub fn returning<R: SelectableExpression<T>>(self, columns: R) -> UpdateReturning<Self, R> {
        UpdateReturning(self, columns)
    }

    /// Changes the rows, and answers how many.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn execute(self, connection: &mut AnyConnection) -> QueryResult<usize>
    where
        Self: ExecuteDsl<SqliteConnection> + ExecuteDsl<PgConnection>,
    {
        on_backend!(connection, c => RunQueryDsl::execute(self, c))
    }
}

impl<C, R> UpdateReturning<C, R> {
    /// Changes the rows, and answers what was asked of them.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn get_results<'q, U>(self, connection: &mut AnyConnection) -> QueryResult<Vec<U>>
    where
        Self: LoadQuery<'q, SqliteConnection, U> + LoadQuery<'q, PgConnection, U>,
    {
        on_backend!(connection, c => RunQueryDsl::get_results(self, c))
    }

    /// Changes one row, and answers what was asked of it.
    ///
    /// # Errors
    /// [`diesel::result::Error::NotFound`] when there is none.
    pub fn get_result<'q, U>(self, connection: &mut AnyConnection) -> QueryResult<U>
    where
        Self: LoadQuery<'q, SqliteConnection, U> + LoadQuery<'q, PgConnection, U>,
    {
        on_backend!(connection, c => RunQueryDsl::get_result(self, c))
    }
}

impl<T, F, P, V, C> RunQueryDsl<C> for CachedUpdate<T, F, P, V> {}

impl<C, R, Connection> RunQueryDsl<Connection> for UpdateReturning<C, R> {}

impl<C, R: Expression> Query for UpdateReturning<C, R> {
    type SqlType = R::SqlType;
}

impl<T, F, P, V, DB> QueryFragment<DB> for CachedUpdate<T, F, P, V>
where
    DB: Backend,
    F: QueryFragment<DB>,
    P: QueryFragment<DB>,
    V: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("UPDATE ");
        self.from.walk_ast(out.reborrow())?;
        out.push_sql(" SET ");
        self.values.walk_ast(out.reborrow())?;
        out.push_sql(" WHERE ");
        self.predicate.walk_ast(out)
    }
}

impl<C, R, DB> QueryFragment<DB> for UpdateReturning<C, R>
where
    DB: Backend,
    C: QueryFragment<DB>,
    R: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(" RETURNING ");
        self.1.walk_ast(out)
    }
}

// The SQL is written each time to find the statement: diesel does not let the columns that are set be told by their type.
impl<T, F, P, V> QueryId for CachedUpdate<T, F, P, V> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C, R> QueryId for UpdateReturning<C, R> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}
