//! The tables, written by hand because one schema serves two databases; a test compares it with both migration folders.

#![expect(missing_docs, reason = "the columns are described in the migrations")]

diesel::table! {
    accounts (id) {
        id -> BigInt,
        username -> Text,
        username_key -> Text,
        password_hash -> Text,
        code_expires_at -> Nullable<Timestamp>,
        created_by_tenant -> Nullable<BigInt>,
        language -> Nullable<Text>,
        created_at -> Timestamp,
        failed_log_ins -> BigInt,
        failed_since -> Nullable<Timestamp>,
        code_used_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    known_devices (account, token_hash) {
        account -> BigInt,
        token_hash -> Binary,
        seen_at -> Timestamp,
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
        message_language -> Text,
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
        may_fire -> Bool,
        accepted_at -> Nullable<Timestamp>,
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
        notice_pending_since -> Nullable<Timestamp>,
    }
}

diesel::table! {
    contacts (member, channel) {
        member -> BigInt,
        channel -> Text,
        robot -> BigInt,
        verified_at -> Nullable<Timestamp>,
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
    endpoints (fingerprint) {
        fingerprint -> Binary,
        channel -> Text,
        cooldown_until -> Timestamp,
        due_at -> Nullable<Timestamp>,
        capacity_at -> Nullable<Timestamp>,
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
        alert_count -> BigInt,
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
        alert -> Nullable<BigInt>,
        entry -> Nullable<BigInt>,
        mention -> Text,
        rule_names -> Text,
        sealed_body -> Nullable<Binary>,
        resent_as -> Nullable<BigInt>,
        batch_no -> BigInt,
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
        locked_until -> Timestamp,
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
    retention (id) {
        id -> BigInt,
        delivery_days -> BigInt,
        alert_days -> BigInt,
        audit_days -> BigInt,
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

diesel::table! {
    verifications (member, channel) {
        member -> BigInt,
        channel -> Text,
        robot -> BigInt,
        delivery -> BigInt,
        code_hash -> Binary,
        tries_left -> BigInt,
        expires_at -> Timestamp,
    }
}

diesel::table! {
    alerts (id) {
        id -> BigInt,
        tenant -> BigInt,
        source -> Text,
        sender -> Text,
        key -> Text,
        title -> Text,
        content -> Text,
        severity -> Text,
        link -> Text,
        labels -> Text,
        receivers -> Text,
        search_text -> Text,
        count -> BigInt,
        reached -> BigInt,
        first_at -> Timestamp,
        last_at -> Timestamp,
        throttled_until -> Nullable<Timestamp>,
        muted_until -> Nullable<Timestamp>,
        finished_at -> Nullable<Timestamp>,
        suppressed_entry -> Nullable<BigInt>,
        suppressed_critical_at -> Nullable<Timestamp>,
        key_owner -> Text,
        annotations -> Text,
        started_at -> Nullable<Timestamp>,
        ended_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    alert_entries (id) {
        id -> BigInt,
        alert -> BigInt,
        kind -> Text,
        actor -> Text,
        title -> Text,
        content -> Text,
        severity -> Text,
        rules -> Text,
        at -> Timestamp,
        form_hash -> Nullable<Binary>,
        recipient_count -> Nullable<BigInt>,
    }
}

diesel::table! {
    config_versions (scope) {
        scope -> BigInt,
        version -> BigInt,
    }
}

diesel::table! {
    fan_out_plans (id) {
        id -> BigInt,
        created_at -> Timestamp,
    }
}

diesel::table! {
    fan_out_parts (plan, part) {
        plan -> BigInt,
        part -> BigInt,
        receivers -> Text,
        size -> BigInt,
    }
}

diesel::table! {
    fan_outs (entry) {
        entry -> BigInt,
        alert -> BigInt,
        tenant -> BigInt,
        plan -> BigInt,
        part -> BigInt,
        kind -> Text,
        is_urgent -> Bool,
        requested_by -> Nullable<BigInt>,
        texts -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    alert_rules (id) {
        id -> BigInt,
        tenant -> BigInt,
        name -> Text,
        name_key -> Text,
        is_on -> Bool,
        severity -> Text,
        source -> Text,
        matchers -> Text,
        channels -> Text,
        frequency -> BigInt,
        max_sends -> Nullable<BigInt>,
        window_from -> Nullable<BigInt>,
        window_to -> Nullable<BigInt>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    rule_receivers (rule, kind, target, role) {
        rule -> BigInt,
        kind -> Text,
        target -> BigInt,
        role -> Text,
    }
}

diesel::table! {
    rule_sends (alert, rule) {
        alert -> BigInt,
        rule -> BigInt,
        sends -> BigInt,
        recorded_at -> Timestamp,
        notified_at -> Nullable<Timestamp>,
        notified_severity -> Text,
        recorded_severity -> Text,
    }
}

diesel::table! {
    user_groups (id) {
        id -> BigInt,
        tenant -> BigInt,
        name -> Text,
        name_key -> Text,
        description -> Text,
        is_on -> Bool,
        created_at -> Timestamp,
    }
}

diesel::table! {
    user_group_accounts (user_group, account) {
        user_group -> BigInt,
        account -> BigInt,
        is_member -> Bool,
        is_admin -> Bool,
    }
}

diesel::table! {
    shift_schedules (id) {
        id -> BigInt,
        tenant -> BigInt,
        name -> Text,
        name_key -> Text,
        unit -> Text,
        shift_length -> BigInt,
        starts_on -> Text,
        handover_minute -> BigInt,
        hours_from -> Nullable<BigInt>,
        hours_to -> Nullable<BigInt>,
        off_hours_account -> Nullable<BigInt>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    shift_accounts (schedule, shift, account) {
        schedule -> BigInt,
        shift -> BigInt,
        account -> BigInt,
        position -> BigInt,
    }
}

diesel::table! {
    message_templates (tenant, channel, reason) {
        tenant -> BigInt,
        channel -> Text,
        reason -> Text,
        title -> Text,
        body -> Text,
        changed_by -> Text,
        changed_at -> Timestamp,
    }
}

diesel::table! {
    portals (id) {
        id -> BigInt,
        tenant -> BigInt,
        name -> Text,
        name_key -> Text,
        saves_members -> Bool,
        fires_alerts -> Bool,
        return_origins -> Text,
        per_minute -> Nullable<BigInt>,
        rate_window_start -> Nullable<Timestamp>,
        rate_window_count -> BigInt,
        token_hash -> Binary,
        token_last_four -> Text,
        sealed_signing_key -> Binary,
        old_token_hash -> Nullable<Binary>,
        old_sealed_signing_key -> Nullable<Binary>,
        overlap_until -> Nullable<Timestamp>,
        last_used_at -> Nullable<Timestamp>,
        created_at -> Timestamp,
        revoked_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    portal_nonces (portal, nonce) {
        portal -> BigInt,
        nonce -> Text,
        expires_at -> Timestamp,
    }
}

diesel::table! {
    idempotency_keys (portal, key) {
        portal -> BigInt,
        key -> Text,
        body_hash -> Binary,
        status -> BigInt,
        response_body -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    refused_posts (portal, problem, address) {
        portal -> BigInt,
        problem -> Text,
        address -> Text,
        count -> BigInt,
        first_at -> Timestamp,
        last_at -> Timestamp,
    }
}

diesel::table! {
    bulk_additions (robot) {
        robot -> BigInt,
        tenant -> BigInt,
        added_by -> Text,
        count -> BigInt,
        announced_count -> BigInt,
        began_at -> Timestamp,
        last_at -> Timestamp,
    }
}

diesel::joinable!(members -> tenants (tenant));
diesel::joinable!(members -> accounts (account));
diesel::joinable!(contacts -> members (member));
diesel::joinable!(contacts -> robots (robot));
diesel::joinable!(sessions -> accounts (account));
diesel::joinable!(known_devices -> accounts (account));
diesel::joinable!(deliveries -> messages (message));
diesel::joinable!(attempts -> messages (message));
diesel::joinable!(alert_entries -> alerts (alert));
diesel::joinable!(deliveries -> alerts (alert));
diesel::joinable!(portals -> tenants (tenant));
diesel::allow_tables_to_appear_in_same_query!(
    refused_posts,
    bulk_additions,
    accounts,
    tenants,
    members,
    robots,
    contacts,
    channel_switches,
    endpoints,
    messages,
    deliveries,
    attempts,
    sessions,
    known_devices,
    log_in_failures,
    lockouts,
    log_in_settings,
    retention,
    set_up_codes,
    audit,
    verifications,
    alerts,
    alert_entries,
    config_versions,
    fan_out_plans,
    fan_out_parts,
    fan_outs,
    alert_rules,
    rule_receivers,
    rule_sends,
    user_groups,
    user_group_accounts,
    shift_schedules,
    shift_accounts,
    message_templates,
    portals,
    portal_nonces,
    idempotency_keys,
);
