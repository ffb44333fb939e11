//! A whole answer of embeddings or reranking in the caller's dialect, put together where it took several requests. What is
//! in the caller's dialect already stays as it is, byte for byte.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header};
use penstock_llm::embed::{self, Encoding};
use penstock_llm::json;
use penstock_llm::model::{Asked, Error, ErrorKind, Losses, Usage as ModelUsage, Written};
use penstock_llm::openai::ErrorView;
use penstock_llm::usage::Usage;
use penstock_llm::{embed::Dialect as Embed, rerank};

use crate::exchange::Outcome;
use crate::fault::{Fault, in_band_status};
use crate::relay::whole::{interrupted, no_memory, too_large, unreadable};
use crate::state::answer::{Interrupted, Pair, Rewording, Source};
use crate::state::counters::{Counters, Held};
use crate::state::inflate::{self, Refused};

/// What one request came to.
pub struct Part {
    body: Bytes,
    /// Tokens of the input, where a header counts them.
    input_tokens: Option<u64>,
    headers: HeaderMap,
    status: u16,
    _held: Held,
}

/// An answer in the caller's dialect, all of it.
pub struct Reworded {
    status: u16,
    headers: HeaderMap,
    body: Option<Bytes>,
    usage: Option<Usage>,
    losses: Losses,
}

type Checked<T> = std::result::Result<T, (Box<Fault>, Outcome)>;

impl Part {
    pub fn status(&self) -> u16 {
        self.status
    }

    pub fn body(&self) -> &Bytes {
        &self.body
    }

    pub fn replace(&mut self, body: Bytes) {
        self.body = body;
    }

    /// Reads an answer to its end, decompressed and bounded. Its memory counts with the requests' bodies.
    pub async fn read(
        mut upstream: impl Source,
        most_bytes: usize,
        counters: &Counters,
        memory: usize,
    ) -> Checked<Self> {
        let broken = |fault| (fault, Outcome::Broken);
        let mut held = counters
            .body_memory
            .take(0, memory)
            .ok_or_else(|| broken(no_memory()))?;
        let mut body = BytesMut::new();
        while let Some(piece) = upstream
            .read()
            .await
            .map_err(|error| broken(interrupted(error)))?
        {
            if body.len() + piece.len() > most_bytes {
                return Err(broken(too_large(most_bytes)));
            }
            if !held.grow(piece.len(), memory) {
                return Err(broken(no_memory()));
            }
            body.extend_from_slice(&piece);
        }
        let (headers, status) = (upstream.headers().clone(), upstream.status());
        upstream.finish().await;
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let coding = text("content-encoding").unwrap_or("");
        let body = inflate::whole(coding, body.freeze(), most_bytes).await;
        let body = body.map_err(|refused| match refused {
            Refused::TooLarge => broken(too_large(most_bytes)),
            Refused::Unknown | Refused::Corrupt => broken(unreadable()),
        })?;
        Ok(Self {
            body,
            input_tokens: text("x-amzn-bedrock-input-token-count").and_then(|count| count.parse().ok()),
            headers,
            status,
            _held: held,
        })
    }
}

impl Reworded {
    /// An answer that is in the caller's dialect, and what is to be accounted for it.
    pub fn as_it_is(part: Part, usage: Option<Usage>) -> Self {
        Self {
            status: part.status,
            headers: plain(part.headers),
            body: Some(part.body),
            usage,
            losses: Losses::default(),
        }
    }

    /// What the caller gets for what the provider said, in the order of the requests.
    ///
    /// # Errors
    /// What cannot be read, what is an error under a good status, and an answer that leaves something out.
    pub fn new(parts: Vec<Part>, terms: &Rewording) -> Checked<Self> {
        let Some(first) = parts.first() else {
            return Err((unreadable(), Outcome::Broken));
        };
        let mut headers = first.headers.clone();
        for name in [header::CONTENT_ENCODING, header::CONTENT_LENGTH] {
            headers.remove(name);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut reworded = Self {
            status: first.status,
            headers,
            body: None,
            usage: None,
            losses: Losses::default(),
        };
        match terms.pair {
            Pair::Embed { from, to } => reworded.embeddings(&parts, from, to, terms)?,
            Pair::Rerank { from, to } => reworded.ranking(&first.body, from, to, terms)?,
        }
        Ok(reworded)
    }

    pub fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }

    fn embeddings(&mut self, parts: &[Part], from: Embed, to: Embed, terms: &Rewording) -> Checked<()> {
        let asked = Asked {
            model: terms.model.as_deref(),
            ..Asked::default()
        };
        let Ok(request) = to.codec().read_request(&terms.request, &asked) else {
            return self.as_it_came(parts, from == to);
        };
        let request = request.value;
        if from == to && !is_in_another_form(parts, request.encodings.first()) {
            if from != Embed::OpenAi {
                self.usage = usage_of_embeddings(parts, from, &request.encodings);
            }
            return self.as_it_came(parts, true);
        }
        let mut answers = Vec::with_capacity(parts.len());
        for part in parts {
            let known = embed::Known {
                encodings: &request.encodings,
                input_tokens: part.input_tokens,
            };
            let read = from
                .codec()
                .read_answer(&part.body, &known)
                .map_err(|error| said(*error))?;
            self.losses.append(read.losses);
            answers.push(read.value);
        }
        let Some(answer) = embed::Answer::join(answers) else {
            return Err((unreadable(), Outcome::Broken));
        };
        let (got, wanted) = (answer.embeddings.len(), request.inputs.len());
        if got != wanted {
            return Err((incomplete(got, wanted), Outcome::Broken));
        }
        self.usage = answer.usage.as_ref().map(Usage::from);
        let envelope = embed::Envelope {
            id: &terms.id,
            request: &request,
        };
        let written = to.codec().write_answer(&answer, &envelope);
        self.write(written);
        Ok(())
    }

    fn ranking(
        &mut self,
        body: &Bytes,
        from: rerank::Dialect,
        to: rerank::Dialect,
        terms: &Rewording,
    ) -> Checked<()> {
        let read = from.read_answer(body);
        if from == to {
            self.usage = read
                .ok()
                .and_then(|read| read.value.usage.as_ref().map(Usage::from));
            self.body = Some(body.clone());
            return Ok(());
        }
        let read = read.map_err(|error| said(*error))?;
        let request = to.read_request(&terms.request, &Asked::default());
        let request = request.map_err(|_| (unreadable(), Outcome::Broken))?.value;
        self.losses.append(read.losses);
        self.usage = read.value.usage.as_ref().map(Usage::from);
        let envelope = rerank::Envelope {
            id: &terms.id,
            request: &request,
        };
        let written = to.write_answer(&read.value, &envelope);
        self.write(written);
        Ok(())
    }

    fn write(&mut self, written: Written) {
        self.losses.append(written.losses);
        let json = HeaderValue::from_static("application/json");
        self.headers.insert(header::CONTENT_TYPE, json);
        self.body = Some(written.bytes.into());
    }

    /// What is in the caller's dialect already: whoever reads it next says what is wrong with it.
    fn as_it_came(&mut self, parts: &[Part], is_same: bool) -> Checked<()> {
        match parts {
            [only] if is_same => {
                self.body = Some(only.body.clone());
                Ok(())
            }
            _ => Err((unreadable(), Outcome::Broken)),
        }
    }
}

/// The headers of a body that is not coded any more, and whose length will be another.
fn plain(mut headers: HeaderMap) -> HeaderMap {
    for name in [header::CONTENT_ENCODING, header::CONTENT_LENGTH] {
        headers.remove(name);
    }
    headers
}

/// Whether OpenAI's caller asked for base64 and got numbers, or the other way round: many of its likes know one of them.
fn is_in_another_form(parts: &[Part], asked: Option<&Encoding>) -> bool {
    let [only] = parts else { return false };
    let Some(first) = json::pointer(&only.body, "/data/0/embedding") else {
        return false;
    };
    let is_text = first.of(&only.body).starts_with(b"\"");
    is_text != asked.is_some_and(|asked| asked.base64)
}

fn usage_of_embeddings(parts: &[Part], from: Embed, encodings: &[Encoding]) -> Option<Usage> {
    let part = parts.first()?;
    let known = embed::Known {
        encodings,
        input_tokens: part.input_tokens,
    };
    let usage: Option<ModelUsage> = from.codec().read_answer(&part.body, &known).ok()?.value.usage;
    usage.as_ref().map(Usage::from)
}

/// An error that the provider told under a good status, or a body that is no answer.
fn said(error: Error<'_>) -> (Box<Fault>, Outcome) {
    if error.kind == ErrorKind::BadAnswer {
        return (unreadable(), Outcome::Broken);
    }
    let status = in_band_status(&ErrorView {
        code: Some(error.status.to_string()),
        ..ErrorView::default()
    });
    let message = format!("the provider answered: {}", error.message.get());
    (
        Fault::provider(status, "upstream_error", message),
        Outcome::ErrorEvent,
    )
}

fn incomplete(got: usize, wanted: usize) -> Box<Fault> {
    let message = format!("the provider gave {got} embeddings for {wanted} inputs");
    Fault::provider(502, "upstream_invalid", message)
}

impl Source for Reworded {
    fn status(&self) -> u16 {
        self.status
    }

    fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    fn usage(&self) -> Option<Usage> {
        self.usage
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Interrupted> {
        Ok(self.body.take())
    }

    fn read_now(&mut self) -> Option<Result<Option<Bytes>, Interrupted>> {
        Some(Ok(self.body.take()))
    }

    async fn finish(self) {}
}
