//! A row of the audit log as it leaves the house, by the command line and the webhook: every column, under names that stay.

use entity::user_audit_log::Model;
use sea_orm::ActiveEnum;
use serde_json::{Value, json};

/// One JSON object.
#[must_use]
pub fn run(row: &Model) -> Value {
    json!({
        "id": row.id,
        "position": { "epoch": row.epoch, "xid": row.xid, "seq": row.seq },
        "type": row.event_type,
        "category": word(&row.event_category),
        "action": row.action,
        "status": word(&row.status),
        "resultCode": row.result_code,
        "severity": word(&row.severity),
        "message": row.message,
        "actor": word(&row.actor),
        "actorUserId": row.actor_user_id,
        "userId": row.user_id,
        "sessionId": row.session_id,
        "resourceType": row.resource_type,
        "resourceId": row.resource_id,
        "requestId": row.request_id,
        "requestMethod": row.request_method,
        "requestPath": row.request_path,
        "requestParams": row.request_params,
        "responseStatus": row.response_status,
        "ipAddress": row.ip_address,
        "userAgent": row.user_agent,
        "country": row.country,
        "city": row.city,
        "riskScore": row.risk_score,
        "metadata": row.metadata,
        "tags": row.tags,
        "sensitive": row.is_sensitive,
        "retention": word(&row.retention_policy),
        "createdAt": row.created_at.to_string(),
        "expiresAt": row.expires_at.map(|at| at.to_string()),
    })
}

/// An enum as the API names it.
fn word<E: ActiveEnum<Value = String>>(value: &E) -> String {
    value.to_value().to_uppercase()
}
