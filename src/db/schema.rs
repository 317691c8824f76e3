//! The tables, written by hand because one schema serves two databases; a test compares it with both migration folders.

#![expect(missing_docs, reason = "the columns are described in the migrations")]

diesel::table! {
    accounts (id) {
        id -> BigInt,
        username -> Text,
        username_key -> Text,
        password_hash -> Text,
        code_expires_at -> Nullable<Timestamp>,
        made_in -> Nullable<BigInt>,
        language -> Nullable<Text>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    tenants (id) {
        id -> BigInt,
        slug -> Text,
        name -> Text,
        description -> Text,
        metadata_warehouse -> Bool,
        channel_mode -> Text,
        super_admin -> BigInt,
        time_zone -> Text,
        member_count -> BigInt,
        created_at -> Timestamp,
        deleted_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    members (id) {
        id -> BigInt,
        tenant -> BigInt,
        account -> BigInt,
        username -> Text,
        username_key -> Text,
        display_name -> Text,
        display_name_key -> Text,
        search_text -> Text,
        role -> Text,
        phone -> Text,
        email -> Text,
        status -> Text,
        robot_count -> BigInt,
        joined_at -> Timestamp,
    }
}

diesel::table! {
    robots (id) {
        id -> BigInt,
        tenant -> BigInt,
        channel -> Text,
        fingerprint -> Binary,
        sealed_url -> Binary,
        sealed_secret -> Nullable<Binary>,
        host -> Text,
        last_four -> Text,
        state -> Text,
        reason -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    contacts (member, channel) {
        member -> BigInt,
        channel -> Text,
        robot -> BigInt,
    }
}

diesel::table! {
    channel_switches (scope, channel) {
        scope -> BigInt,
        channel -> Text,
        is_on -> Bool,
    }
}

diesel::table! {
    paces (fingerprint) {
        fingerprint -> Binary,
        channel -> Text,
        rest_until -> Timestamp,
        due_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    messages (id) {
        id -> BigInt,
        robot -> BigInt,
        fingerprint -> Binary,
        channel -> Text,
        title -> Text,
        body -> Text,
        msg_uuid -> Text,
        priority -> BigInt,
        state -> Text,
        due_at -> Timestamp,
        lease_until -> Nullable<Timestamp>,
        fence -> BigInt,
        tries -> BigInt,
        created_at -> Timestamp,
        finished_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    deliveries (id) {
        id -> BigInt,
        tenant -> BigInt,
        kind -> Text,
        title -> Text,
        body -> Text,
        channel -> Text,
        robot -> Nullable<BigInt>,
        member -> Nullable<BigInt>,
        recipient -> Text,
        requested_by -> Nullable<BigInt>,
        state -> Text,
        reason -> Text,
        priority -> Nullable<BigInt>,
        message -> Nullable<BigInt>,
        created_at -> Timestamp,
        finished_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    attempts (id) {
        id -> BigInt,
        message -> BigInt,
        fingerprint -> Binary,
        number -> BigInt,
        started_at -> Timestamp,
        finished_at -> Nullable<Timestamp>,
        http_status -> Nullable<BigInt>,
        code -> Text,
        meaning -> Text,
        answer -> Text,
    }
}

diesel::table! {
    sessions (id) {
        id -> Text,
        secret_hash -> Binary,
        account -> BigInt,
        agent -> Text,
        address -> Text,
        created_at -> Timestamp,
        seen_at -> Timestamp,
    }
}

diesel::table! {
    log_in_failures (id) {
        id -> BigInt,
        subject -> Binary,
        failed_at -> Timestamp,
    }
}

diesel::table! {
    lockouts (subject) {
        subject -> Binary,
        until -> Timestamp,
    }
}

diesel::table! {
    log_in_settings (id) {
        id -> BigInt,
        idle_minutes -> BigInt,
        failures -> BigInt,
        lock_minutes -> BigInt,
    }
}

diesel::table! {
    set_up_codes (code_hash) {
        code_hash -> Binary,
    }
}

diesel::table! {
    audit (id) {
        id -> BigInt,
        tenant -> Nullable<BigInt>,
        account -> Nullable<BigInt>,
        actor -> Text,
        action -> Text,
        object -> Text,
        changes -> Text,
        address -> Text,
        at -> Timestamp,
    }
}

diesel::joinable!(members -> tenants (tenant));
diesel::joinable!(members -> accounts (account));
diesel::joinable!(contacts -> members (member));
diesel::joinable!(contacts -> robots (robot));
diesel::joinable!(sessions -> accounts (account));
diesel::joinable!(deliveries -> messages (message));
diesel::joinable!(attempts -> messages (message));
diesel::allow_tables_to_appear_in_same_query!(
    accounts,
    tenants,
    members,
    robots,
    contacts,
    channel_switches,
    paces,
    messages,
    deliveries,
    attempts,
    sessions,
    log_in_failures,
    lockouts,
    log_in_settings,
    set_up_codes,
    audit
);
