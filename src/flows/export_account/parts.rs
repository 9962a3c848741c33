//! How each row looks in the document: column by column, so that nothing gets out by accident.

use entity::{
    Timestamp, account_events, attempt_counters, auth_providers, coin_entries, known_devices, link_tokens, messages, passkey_credentials,
    password_reset_attempts, recovery_codes, user_audit_log, user_sessions, users,
};
use sea_orm::ActiveEnum;
use serde_json::{Value, json};
use uuid::Uuid;

/// Each row by itself.
pub(super) fn list<T>(rows: &[T], part: impl Fn(&T) -> Value) -> Value {
    Value::Array(rows.iter().map(part).collect())
}

/// As the API writes it.
fn at(instant: impl Into<Option<Timestamp>>) -> Option<String> {
    instant.into().map(|instant| instant.to_string())
}

/// As the API names it.
fn word(value: &impl ActiveEnum<Value = String>) -> String {
    value.to_value().to_uppercase()
}

/// Kept in tenths.
fn degrees(tenths: i32) -> f64 {
    f64::from(tenths) / 10.0
}

/// The person.
pub(super) fn account(user: &users::Model, public_base: &str) -> Value {
    json!({
        "id": user.id,
        "email": user.email,
        "emailVerifiedAt": at(user.email_verified_at),
        "pendingEmail": user.pending_email,
        "pendingEmailExpiresAt": at(user.pending_email_expires_at),
        "phone": user.phone,
        "phoneVerifiedAt": at(user.phone_verified_at),
        "pendingPhone": user.pending_phone,
        "pendingPhoneExpiresAt": at(user.pending_phone_expires_at),
        "username": user.username,
        "displayName": user.display_name,
        "fullName": user.full_name,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "bio": user.bio,
        "locale": user.locale,
        "dateOfBirth": user.date_of_birth.map(|date| date.to_string()),
        "address": { "country": user.country, "state": user.state, "postalCode": user.postal_code },
        "avatar": user.avatar_key.as_ref().map(|key| json!({ "key": key, "url": format!("{public_base}/avatars/{key}"), "size": user.avatar_size, "mimeType": user.avatar_mime_type })),
        "role": word(&user.role),
        "status": word(&user.status),
        "hasPassword": user.password_hash.is_some(),
        "totpEnabledAt": at(user.totp_enabled_at),
        "lastPasswordChangeAt": at(user.last_password_change_at),
        "lastSignInAt": at(user.last_login_at),
        "deletionScheduledAt": at(user.deletion_scheduled_at),
        "proofsVoidBefore": at(user.proofs_void_before),
        "coinBalance": user.coin_balance,
        "totalEarnedCoins": user.total_earned_coins,
        "metadata": user.metadata,
        "createdAt": at(user.created_at),
        "updatedAt": at(user.updated_at),
    })
}

/// A recovery code, without what it is.
pub(super) fn recovery_code(row: &recovery_codes::Model) -> Value {
    json!({ "createdAt": at(row.created_at), "usedAt": at(row.used_at) })
}

/// An account at a provider.
pub(super) fn identity(identity: &auth_providers::Model) -> Value {
    json!({
        "id": identity.id,
        "provider": identity.provider,
        "issuer": identity.issuer,
        "subject": identity.provider_user_id,
        "email": identity.email,
        "metadata": identity.metadata,
        "linkedAt": at(identity.linked_at),
        "lastUsedAt": at(identity.last_used_at),
    })
}

/// A session, without its tokens.
pub(super) fn session(session: &user_sessions::Model) -> Value {
    json!({
        "id": session.id,
        "status": word(&session.status),
        "device": {
            "id": session.known_device_id,
            "type": word(&session.device_type),
            "name": session.device_name,
            "browser": session.browser,
            "os": session.os,
            "userAgent": session.user_agent,
        },
        "ipAddress": session.ip_address,
        "location": {
            "country": session.location_country,
            "city": session.location_city,
            "timezone": session.location_timezone,
            "latitude": session.location_latitude.map(degrees),
            "longitude": session.location_longitude.map(degrees),
        },
        "loginMethod": word(&session.login_method),
        "methods": session.amr,
        "authenticatedAt": at(session.authenticated_at),
        "suspicious": session.is_suspicious,
        "riskScore": session.risk_score,
        "riskSignals": session.risk_signals,
        "proofsVoidBefore": at(session.proofs_void_before),
        "createdAt": at(session.created_at),
        "refreshedAt": at(session.refreshed_at),
        "lastActivityAt": at(session.last_activity_at),
        "expiresAt": at(session.expires_at.min(session.absolute_expires_at)),
        "revokedAt": at(session.revoked_at),
        "revokedBy": session.revoked_by.as_ref().map(word),
        "revokedReason": session.revoked_reason,
    })
}

/// A device, without its token.
pub(super) fn device(device: &known_devices::Model) -> Value {
    json!({
        "id": device.id,
        "name": device.name,
        "country": device.location_country,
        "trustedUntil": at(device.trusted_until),
        "lastSeenAt": at(device.last_seen_at),
        "createdAt": at(device.created_at),
    })
}

/// A passkey, without its key.
pub(super) fn passkey(passkey: &passkey_credentials::Model) -> Value {
    json!({
        "id": passkey.id,
        "name": passkey.name,
        "deviceType": word(&passkey.device_type),
        "backedUp": passkey.backed_up,
        "transports": passkey.transports,
        "counter": passkey.counter,
        "lastUsedAt": at(passkey.last_used_at),
        "createdAt": at(passkey.created_at),
    })
}

/// A link that was sent, without its token.
pub(super) fn link(link: &link_tokens::Model) -> Value {
    json!({
        "id": link.id,
        "purpose": word(&link.purpose),
        "contact": link.contact,
        "sessionId": link.session_id,
        "expiresAt": at(link.expires_at),
        "usedAt": at(link.used_at),
        "createdAt": at(link.created_at),
    })
}

/// A message, without its code and link. Whether it was sent or discarded is not told: that can depend on whose a contact is.
pub(super) fn message(message: &messages::Model) -> Value {
    json!({
        "id": message.id,
        "channel": message.channel.as_str().to_uppercase(),
        "recipient": message.recipient,
        "template": message.template,
        "parameters": message.parameters,
        "locale": message.locale,
        "ended": message.state != messages::State::Pending,
        "createdAt": at(message.created_at),
    })
}

/// A request for a new password.
pub(super) fn reset_attempt(attempt: &password_reset_attempts::Model) -> Value {
    json!({
        "id": attempt.id,
        "contact": attempt.contact,
        "ipAddress": attempt.ip_address,
        "userAgent": attempt.user_agent,
        "success": attempt.success,
        "createdAt": at(attempt.created_at),
    })
}

/// An entry of coins. Which administrator made it is not told.
pub(super) fn coin_entry(entry: &coin_entries::Model) -> Value {
    json!({
        "id": entry.id,
        "amount": entry.amount,
        "balanceAfter": entry.balance_after,
        "reason": entry.reason,
        "idempotencyKey": entry.idempotency_key,
        "actor": word(&entry.actor),
        "createdAt": at(entry.created_at),
    })
}

/// A counter of failures, without the key it is found by.
pub(super) fn counter(counter: &attempt_counters::Model) -> Value {
    json!({
        "kind": counter.kind.to_uppercase(),
        "failures": counter.total,
        "lockedUntil": at(counter.locked_until),
        "lastFailureAt": at(counter.last_failure_at),
        "createdAt": at(counter.created_at),
    })
}

/// What happened to the account, or what its owner did. The request is told where it was the owner's, or nobody knows whose: an administrator has
/// a right to privacy too, and so has whoever the owner administrates.
pub(super) fn activity(row: &user_audit_log::Model, owner: Uuid) -> Value {
    let is_about_owner = row.user_id == Some(owner);
    let is_request_told = row.actor_user_id.is_none_or(|actor| actor == owner);
    let request = is_request_told.then(|| {
        json!({
            "id": row.request_id,
            "ipAddress": row.ip_address,
            "userAgent": row.user_agent,
            "country": row.country,
            "city": row.city,
            "method": row.request_method,
            "path": row.request_path,
        })
    });
    json!({
        "id": row.id,
        "type": row.event_type,
        "category": word(&row.event_category),
        "status": word(&row.status),
        "resultCode": row.result_code,
        "severity": word(&row.severity),
        "actor": word(&row.actor),
        "aboutSomebodyElse": !is_about_owner,
        "sessionId": row.session_id.filter(|_| is_about_owner),
        "riskScore": row.risk_score.filter(|_| is_about_owner),
        "metadata": is_about_owner.then_some(&row.metadata),
        "request": request,
        "createdAt": at(row.created_at),
        "expiresAt": at(row.expires_at),
    })
}

/// An entry of the event log.
pub(super) fn event(event: &account_events::Model) -> Value {
    json!({
        "id": event.id,
        "kind": account_events::Kind::to_value(&event.kind).to_uppercase(),
        "sessionId": event.session_id,
        "at": at(event.at),
    })
}
