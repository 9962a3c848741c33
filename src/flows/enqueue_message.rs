//! Writes a message in the transaction of what it tells; the courier delivers it after the commit.
//!
//! Whoever calls rings the [`Bell`](crate::outbound::bell::Bell) once the transaction is committed, and never waits for the delivery.

use entity::messages::{Model, State};
use uuid::Uuid;

use crate::{
    crypto::secret_box::SecretBox,
    entropy::Entropy,
    outbound::message::{NewMessage, SECRET_PURPOSE},
    storage::{batch::Batch, messages},
};

/// Seals code and link token, and adds the message to what is about to be written. Returns its id. A decoy costs the same.
pub fn run(batch: &mut Batch, secret_box: &SecretBox, entropy: &Entropy, message: NewMessage) -> Uuid {
    let id = entropy.uuid(message.created_at);
    let sealed = secret_box.seal(SECRET_PURPOSE, &message.secret.encode(id, message.delivery), entropy);
    let row = Model {
        id,
        user_id: message.user_id,
        channel: message.channel,
        recipient: message.recipient,
        template: message.template.name().to_owned(),
        parameters: message.template.parameters(),
        secret_sealed: Some(sealed),
        locale: message.locale,
        state: State::Pending,
        attempts: 0,
        next_attempt_at: message.created_at,
        expires_at: message.expires_at,
        sent_at: None,
        last_error: None,
        created_at: message.created_at,
        updated_at: message.created_at,
    };
    messages::insert_later(batch, row);
    id
}
