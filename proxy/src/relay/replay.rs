//! The answer of an earlier or running call, written again for a repeat of it.

use std::pin::pin;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use crate::exchange::{Ending, Exchange};
use crate::fault::Fault;
use crate::relay::downstream::{Downstream, Stop};
use crate::relay::whole;
use crate::state::idempotency::{End, Next, Reader};

/// Reads a recording to its end.
pub async fn relay(
    down: &mut Downstream<'_>,
    exchange: &mut Exchange,
    mut reader: Reader,
) -> std::result::Result<(), Stop> {
    loop {
        match down.wait(pin!(reader.next())).await? {
            Next::Head(mut head) => {
                let mark = HeaderName::from_static("x-penstock-replayed");
                head.headers.push((mark, HeaderValue::from_static("true")));
                down.head(&head).await?;
            }
            Next::Piece(piece) => down.write(piece).await?,
            Next::End(End::Whole) => {
                exchange.relayed.ending = Ending::Complete;
                return down.end(Bytes::new()).await;
            }
            Next::End(End::Lost) => return whole::refuse(down, exchange, &lost()).await,
        }
    }
}

/// A status that SDKs retry: the next try does the work itself.
fn lost() -> Box<Fault> {
    let message = "the call that this one repeats did not end well; repeat it once more";
    Fault::ours(409, "idempotency_original_failed", message)
}
