//! What the member list is held against: the least that actix, diesel and askama can do to show fifty members. No
//! session, no rights, no language, no count, one query.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use actix_web::{
    App, HttpResponse, HttpServer,
    middleware::Compress,
    web::{self, Data},
};
use askama::Template;
use belfry::db::schema::{members, tenants};
use diesel::{
    prelude::*,
    r2d2::{ConnectionManager, Pool},
    sqlite::SqliteConnection,
};

type Connections = Pool<ConnectionManager<SqliteConnection>>;

/// As many connections as the portal reads with.
const CONNECTIONS: u32 = 4;

#[derive(Queryable)]
struct Row {
    username: String,
    display_name: String,
    role: String,
    phone: String,
    email: String,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Members</title></head><body><h1>Members</h1>\n<table>\n<tr><th>Username</th><th>Display name</th><th>Role</th><th>Phone</th><th>Email</th></tr>\n{% for row in rows %}<tr><td>{{ row.username }}</td><td>{{ row.display_name }}</td><td>{{ row.role }}</td><td>{{ row.phone }}</td><td>{{ row.email }}</td></tr>\n{% endfor %}</table></body></html>"
)]
struct Page {
    rows: Vec<Row>,
}

async fn list(pool: Data<Connections>, slug: web::Path<String>) -> HttpResponse {
    let rows = web::block(move || {
        let mut connection = pool.get().expect("a connection");
        members::table
            .inner_join(tenants::table)
            .filter(tenants::slug.eq(slug.as_str()))
            .order((members::username_key, members::id))
            .limit(50)
            .select((members::username, members::display_name, members::role, members::phone, members::email))
            .load::<Row>(&mut connection)
            .expect("rows")
    });
    let page = Page { rows: rows.await.expect("a thread") };
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page.render().expect("a page"))
}

/// Serves the page on a free port, which it prints.
pub fn serve(database: &str, size: &str) {
    let size = size.parse().expect("a number of connections");
    let pool = Pool::builder()
        .max_size(size)
        .test_on_check_out(false)
        .build(ConnectionManager::<SqliteConnection>::new(database))
        .expect("a pool");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    println!("{}", listener.local_addr().expect("an address"));
    let server = HttpServer::new(move || {
        App::new().app_data(Data::new(pool.clone())).route("/{slug}", web::get().to(list)).wrap(Compress::default())
    });
    // As the portal does: with Nagle's algorithm on, a compressed page waits for the reader's confirmation.
    let server = server.tcp_nodelay(true).listen(listener).expect("the port can be used").run();
    actix_web::rt::System::new().block_on(server).expect("the server runs");
}

/// The server in a process of its own. It is killed with this value.
pub struct Bare {
    child: Child,
    /// ADDRESS:PORT.
    pub address: String,
}

impl Drop for Bare {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Starts this program again as the bare server.
pub fn start(database: &Path) -> Bare {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .arg("--bare")
        .arg(database)
        .arg(CONNECTIONS.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the bare server starts");
    let mut address = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut address).expect("an address");
    Bare { child, address: address.trim_end().to_owned() }
}
