//! A raw answer that is no text: its bytes as they come, framed and coded as the provider sent them.

use std::pin::pin;

use bytes::Bytes;

use crate::exchange::{Ending, Exchange, Outcome};
use crate::fault::Fault;
use crate::relay::downstream::{Downstream, Stop};
use crate::relay::stream::Relay;
use crate::state::answer::{Head, Source};

/// Relays one body. Once its head is out a break can only be shown by breaking off too.
pub async fn relay(
    down: &mut Downstream<'_>,
    exchange: &mut Exchange,
    mut upstream: impl Source,
    head: Head,
) -> std::result::Result<Relay, Stop> {
    loop {
        match down.wait(pin!(upstream.read())).await? {
            Ok(Some(piece)) => {
                down.head(&head).await?;
                down.write(piece).await?;
            }
            Ok(None) => break,
            Err(_) if !down.is_head_out() => {
                let message = "the provider's answer broke off before it began";
                return Ok(Relay::NotCommitted(
                    Fault::provider(502, "upstream_truncated", message),
                    Outcome::Broken,
                ));
            }
            Err(_) => {
                let message = "the provider's answer broke off";
                exchange.fail(
                    Ending::Truncated,
                    &Fault::provider(502, "upstream_truncated", message),
                );
                return Ok(Relay::Broke(Outcome::Broken));
            }
        }
    }
    down.head(&head).await?;
    down.end(Bytes::new()).await?;
    exchange.relayed.ending = Ending::Complete;
    upstream.finish().await;
    Ok(Relay::Ended)
}
