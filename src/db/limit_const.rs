//! `LIMIT` with a number that stands in the SQL, so that a statement is planned once.
//!
//! Diesel binds the number. SQLite looks at it when it plans, and therefore plans the statement anew each time another value is
//! bound, be it the same one: for a lookup by key, planning takes longer than looking.

use diesel::{
    RunQueryDsl,
    backend::Backend,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    query_dsl::methods::LoadQuery,
    result::QueryResult,
    serialize::ToSql,
    sql_types::{BigInt, HasSqlType},
};

/// A query that takes at most `N` rows.
#[derive(Clone, Copy, Debug, QueryId)]
pub struct LimitedQuery<Q, const N: i64>(Q);

impl<Q: Query, const N: i64> Query for LimitedQuery<Q, N> {
    type SqlType = Q::SqlType;
}

impl<Q, C, const N: i64> RunQueryDsl<C> for LimitedQuery<Q, N> {}

impl<Q, DB, const N: i64> QueryFragment<DB> for LimitedQuery<Q, N>
where
    DB: Backend,
    Q: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(" LIMIT ");
        out.push_sql(&N.to_string());
        Ok(())
    }
}

impl<Q, const N: i64> LimitedQuery<Q, N> {
    /// The rows after so many.
    pub fn offset(self, rows: i64) -> OffsetQuery<Q, N> {
        OffsetQuery(self, rows)
    }
}

/// A query that takes at most `N` rows after so many others.
#[derive(Clone, Copy, Debug, QueryId)]
pub struct OffsetQuery<Q, const N: i64>(LimitedQuery<Q, N>, i64);

impl<Q: Query, const N: i64> Query for OffsetQuery<Q, N> {
    type SqlType = Q::SqlType;
}

impl<Q, C, const N: i64> RunQueryDsl<C> for OffsetQuery<Q, N> {}

impl<Q, DB, const N: i64> QueryFragment<DB> for OffsetQuery<Q, N>
where
    DB: Backend + HasSqlType<BigInt>,
    Q: QueryFragment<DB>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(" OFFSET ");
        out.push_bind_param::<BigInt, _>(&self.1)
    }
}

/// Taking few rows of a query.
pub trait LimitConst: Sized {
    /// At most so many rows.
    fn limit_const<const N: i64>(self) -> LimitedQuery<Self, N> {
        LimitedQuery(self)
    }

    /// The first row.
    ///
    /// # Errors
    /// [`diesel::result::Error::NotFound`] when there is none.
    fn first_cached<'q, U, C>(self, connection: &mut C) -> QueryResult<U>
    where
        LimitedQuery<Self, 1>: LoadQuery<'q, C, U>,
    {
        self.limit_const::<1>().get_result(connection)
    }
}

impl<Q: Query> LimitConst for Q {}
