//! Two tenants, one of 1,000 and one of 100,000 members, straight into the tables.

use belfry::{
    access::Actor,
    accounts::{self, Username},
    db::{AnyConnection, Database, DatabaseAddress, TenantId},
    error::{Error, Result},
    language::Language,
    secrets::Passwords,
    tenants::store::{self as tenants, NewTenant},
};
use diesel::{QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types::BigInt};

/// The password of the administrator.
pub const PASSWORD: &str = "seven quiet bells at dawn";
/// Rows of one insert.
const AT_A_TIME: usize = 500;
/// Robots of a tenant, shared by its members.
const ROBOTS: usize = 20;

/// A tenant of the bench.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Its slug.
    pub slug: &'static str,
    /// How many members it has beside its super administrator.
    pub members: usize,
}

/// The small tenant.
pub const SMALL: Size = Size { slug: "small", members: 1_000 };
/// The large one.
pub const LARGE: Size = Size { slug: "large", members: 100_000 };

/// Fills an empty database.
pub fn seed(address: &DatabaseAddress) {
    actix_web::rt::System::new().block_on(async {
        let db = Database::open(address).expect("the database opens");
        let hash = Passwords::new(1).hash(PASSWORD).await.expect("a hash");
        db.write(move |c| {
            let now = belfry::clock::Clock::default().now();
            let who = Actor { account: None, name: "bench".to_owned(), address: String::new() };
            let root = Username::parse("root").expect("a username");
            let id = accounts::store::create_first_account(c, &root, &hash, Language::English, &who, now)?;
            for size in [SMALL, LARGE] {
                let tenant = NewTenant {
                    name: size.slug,
                    slug: size.slug,
                    description: "",
                    metadata_warehouse: false,
                    locale: belfry::tenants::Locale {
                        time_zone: chrono_tz::Tz::Asia__Shanghai,
                        message_language: Language::English,
                    },
                };
                let tenant = tenants::insert(c, &tenant, id, &root, &who, now)?;
                fill(c, tenant, size);
            }
            Ok(())
        })
        .await
        .expect("the database is filled");
        db.read(settle).await.expect("the database settles");
    });
}

/// What a database that has been in use has had: on Postgres the autovacuum's visit. On SQLite nothing runs ANALYZE.
fn settle(c: &mut AnyConnection) -> Result<()> {
    if let AnyConnection::Sqlite(_) = c {
        return Ok(());
    }
    // VACUUM calls a page visible to all only when its rows' commit is on disk, and the cluster commits asynchronously: a first
    // one straight after often finds none.
    for _ in 0..20 {
        c.batch_execute("CHECKPOINT")?;
        c.batch_execute("VACUUM ANALYZE")?;
        if visible_pages(c)? > 0 {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(250));
    }
    Err(Error::internal("no VACUUM made the members visible to all"))
}

#[derive(QueryableByName)]
struct Visible {
    #[diesel(sql_type = BigInt)]
    pages: i64,
}

/// How many pages of the members an index may answer for alone.
fn visible_pages(c: &mut AnyConnection) -> Result<i64> {
    let pages = "SELECT relallvisible::bigint AS pages FROM pg_class WHERE oid = 'members'::regclass";
    Ok(sql_query(pages).get_result::<Visible>(c)?.pages)
}

fn fill(c: &mut AnyConnection, tenant: TenantId, size: Size) {
    let first = size.members * 10;
    let numbers: Vec<usize> = (0..size.members).collect();
    let robots = (0..ROBOTS).map(|number| {
        let id = first + number;
        let blob = blob(c, id);
        format!(
            "({id}, {tenant}, 'dingtalk', {blob}, {blob}, 'oapi.dingtalk.com', 'c{number:03}', 'ok', '', '{JOINED}')"
        )
    });
    let robots = robots.collect::<Vec<_>>().join(",");
    run(
        c,
        &format!(
            "INSERT INTO robots (id, tenant, channel, fingerprint, sealed_url, host, last_four, state, reason, created_at) \
             VALUES {robots}"
        ),
    );
    for some in numbers.chunks(AT_A_TIME) {
        let rows = |row: &dyn Fn(usize) -> String| some.iter().map(|number| row(*number)).collect::<Vec<_>>().join(",");
        let accounts = rows(&|number| {
            let (id, (login, _)) = (first + number, person(number));
            format!("({id}, '{login}.{id}', '{login}.{id}', '-', '{JOINED}')")
        });
        let members = rows(&|number| {
            let (id, (login, name), has_robot) = (first + number, person(number), u8::from(has_robot(number)));
            format!(
                "({id}, {tenant}, {id}, '{login}.{id}', '{login}.{id}', '{name}', '{name}', '{login}.{id}\n{name}', 'member', \
                 '+8613{number:09}', '{login}.{number}@corp.example', 'active', {has_robot}, '{}')",
                joined(number)
            )
        });
        let contacts: Vec<String> = some
            .iter()
            .copied()
            .filter(|number| has_robot(*number))
            .map(|number| format!("({}, 'dingtalk', {})", first + number, first + number % ROBOTS))
            .collect();
        run(
            c,
            &format!("INSERT INTO accounts (id, username, username_key, password_hash, created_at) VALUES {accounts}"),
        );
        run(
            c,
            &format!(
                "INSERT INTO members (id, tenant, account, username, username_key, display_name, display_name_key, search_text, \
             role, phone, email, status, robot_count, joined_at) VALUES {members}"
            ),
        );
        run(c, &format!("INSERT INTO contacts (member, channel, robot) VALUES {}", contacts.join(",")));
    }
    run(c, &format!("UPDATE tenants SET member_count = member_count + {} WHERE id = {tenant}", size.members));
}

fn run(c: &mut AnyConnection, statement: &str) {
    c.batch_execute(statement).expect("the statement runs");
}

const JOINED: &str = "2026-01-01 08:00:00.000000";

/// When a member joined: scattered over a year, so that this order is none of the others.
fn joined(number: usize) -> String {
    let minute = number.wrapping_mul(7_919) % 500_000;
    let (day, minute) = (minute / 1_440, minute % 1_440);
    format!("2025-{:02}-{:02} {:02}:{:02}:00.000000", day / 28 % 12 + 1, day % 28 + 1, minute / 60, minute % 60)
}

/// Every seventh member has no robot.
fn has_robot(number: usize) -> bool {
    !number.is_multiple_of(7)
}

/// A binary value that is written differently by the two databases.
fn blob(c: &AnyConnection, number: usize) -> String {
    match c {
        AnyConnection::Sqlite(_) => format!("x'{number:064x}'"),
        AnyConnection::Postgres(_) => format!("'\\x{number:064x}'"),
    }
}

/// The log-in and the name of a made-up person: ninety names of two or three characters, and a rare one.
fn person(number: usize) -> (&'static str, String) {
    const FAMILY: [(&str, &str); 10] = [
        ("wang", "王"),
        ("li", "李"),
        ("zhang", "张"),
        ("liu", "刘"),
        ("chen", "陈"),
        ("yang", "杨"),
        ("zhao", "赵"),
        ("huang", "黄"),
        ("zhou", "周"),
        ("wu", "吴"),
    ];
    const GIVEN: [&str; 9] = ["伟", "芳", "敏", "静", "磊", "洋", "晓明", "丽华", "建国"];
    if number % 25_000 == 24_999 {
        return ("ouyang", "欧阳修".to_owned());
    }
    // Multiplied, so that the order of ids is not the order of names.
    let mixed = number.wrapping_mul(2_654_435_761) / 64;
    let (login, family) = FAMILY[mixed % 10];
    (login, format!("{family}{}", GIVEN[mixed / 10 % 9]))
}
