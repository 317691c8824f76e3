//! Words that stand in the SQL, so that a statement is planned once.
//!
//! SQLite looks at a bound value that it compares with the condition of a partial index, and therefore plans the statement anew each
//! time another is bound, be it the same one. For a column that such a condition names, as `messages.state` is.

/// Makes a type of an expression that is always this text.
macro_rules! text_literal {
    ($(#[$meta:meta])* $visibility:vis $name:ident = $text:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, diesel::query_builder::QueryId, diesel::expression::ValidGrouping)]
        $visibility struct $name;

        impl diesel::Expression for $name {
            type SqlType = diesel::sql_types::Text;
        }

        impl<QS> diesel::AppearsOnTable<QS> for $name {}

        impl<QS> diesel::SelectableExpression<QS> for $name {}

        impl<DB: diesel::backend::Backend> diesel::query_builder::QueryFragment<DB> for $name {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, DB>,
            ) -> diesel::QueryResult<()> {
                out.push_sql(concat!("'", $text, "'"));
                Ok(())
            }
        }
    };
}
pub(crate) use text_literal;
