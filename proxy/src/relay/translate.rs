//! A provider's answer in the caller's dialect: whatever the provider speaks, and whether it streams or not, the rest of the
//! relay reads what the caller asked for. It decides nothing: what was an error is an error in the other dialect, what broke off breaks off.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use http::{HeaderMap, HeaderValue, header};
use penstock_llm::model::{
    Answer, Assembled, Assembler, Codec, Error, Event, Events, Losses, Read, Restorer, StreamFrame,
    StreamReader, StreamWriter, Text, Usage as ModelUsage, replay,
};
use penstock_llm::usage::Usage;
use penstock_plugin_host::{PluginFault, PluginState};

use crate::adapter::Adapted;
use crate::relay::frames::{self, Frame, Frames, Unreadable};
use crate::relay::signatures::Collector;
use crate::state::answer::{Interrupted, Source, Translation};
use crate::state::inflate::{self, Inflater};
use crate::state::unkept;

/// An answer of one dialect, read as one of another.
pub struct Translated<S> {
    inner: S,
    headers: HeaderMap,
    usage: Option<ModelUsage>,
    work: Work,
}

enum Work {
    Whole(Box<Whole>),
    Stream(Box<Stream>),
}

/// What reads the provider's side.
#[derive(Clone)]
enum Theirs {
    Codec(&'static dyn Codec),
    Adapter(Arc<Adapted>),
}

/// A whole answer: taken in to its end, then written at once.
struct Whole {
    from: Theirs,
    to: &'static dyn Codec,
    terms: Translation,
    status: u16,
    coding: String,
    taken: BytesMut,
    losses: Losses,
    is_over: bool,
}

/// A stream, event by event.
struct Stream {
    frames: Frames,
    inflater: Option<Inflater>,
    reader: Reading,
    outlet: Outlet,
    is_over: bool,
}

/// Where a stream's events go.
struct Outlet {
    /// For an answer's id where nobody keeps the answer: what stands for one that the provider did not give.
    unkept: Option<Arc<str>>,
    collector: Option<Box<Collector>>,
    /// Of tools that went by another name.
    names: Option<Restorer>,
    out: Out,
    /// Written, and not taken yet.
    ready: VecDeque<Bytes>,
}

/// What makes events of frames.
enum Reading {
    Codec(Box<dyn StreamReader>),
    Adapter(Box<Asking>),
}

/// A stream whose frames an adapter is asked about: those that came together, at once.
struct Asking {
    adapted: Arc<Adapted>,
    /// The adapter's own, from one call to the next.
    state: PluginState,
    losses: Losses,
}

/// What becomes of a stream's events.
enum Out {
    Events(Box<dyn StreamWriter>),
    /// The caller wants a whole answer: they are put together.
    Answer(Box<Gathered>),
}

struct Gathered {
    assembler: Assembler,
    to: &'static dyn Codec,
    terms: Translation,
}

impl<S: Source> Translated<S> {
    /// `None` where one of the dialects is not known in this build, or the body's coding is not.
    pub fn new(inner: S, terms: Translation) -> Option<Self> {
        let to = terms.to.codec()?;
        let from = match &terms.adapted {
            Some(adapted) => Theirs::Adapter(adapted.clone()),
            None => Theirs::Codec(terms.from.codec()?),
        };
        let theirs = inner.headers();
        let coding = theirs
            .get(header::CONTENT_ENCODING)
            .and_then(|coding| coding.to_str().ok())
            .unwrap_or("")
            .to_owned();
        let mut headers = theirs.clone();
        for name in [
            header::CONTENT_ENCODING,
            header::CONTENT_LENGTH,
            header::CONTENT_TYPE,
        ] {
            headers.remove(name);
        }
        let framing = frames::announced(theirs);
        let content_type = match terms.streamed {
            true => frames::content_type(terms.to),
            false => HeaderValue::from_static("application/json"),
        };
        headers.insert(header::CONTENT_TYPE, content_type);
        let work = if let Some(framing) = framing {
            Work::Stream(Box::new(Stream {
                frames: Frames::new(framing),
                inflater: Inflater::new(&coding, terms.most_bytes).ok()?,
                reader: from.reading(),
                outlet: Outlet::new(to, terms),
                is_over: false,
            }))
        } else {
            Work::Whole(Box::new(Whole {
                from,
                to,
                terms,
                status: inner.status(),
                coding,
                taken: BytesMut::new(),
                losses: Losses::default(),
                is_over: false,
            }))
        };
        Some(Self {
            inner,
            headers,
            usage: None,
            work,
        })
    }
}

impl<S: Source> Source for Translated<S> {
    fn status(&self) -> u16 {
        self.inner.status()
    }

    fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    fn dropped(&mut self) -> Vec<Box<str>> {
        match &mut self.work {
            Work::Whole(whole) => std::mem::take(&mut whole.losses).names(),
            Work::Stream(stream) => {
                let mut losses = stream.reader.take_losses();
                if let Out::Events(writer) = &mut stream.outlet.out {
                    losses.append(writer.take_losses());
                }
                losses.names()
            }
        }
    }

    fn usage(&self) -> Option<Usage> {
        self.usage.as_ref().map(Usage::from)
    }

    fn is_metered_apart(&self) -> bool {
        true
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Interrupted> {
        loop {
            match &mut self.work {
                Work::Whole(whole) if whole.is_over => return Ok(None),
                Work::Stream(stream) => {
                    if let Some(bytes) = stream.outlet.ready.pop_front() {
                        return Ok(Some(bytes));
                    }
                    if stream.is_over {
                        return Ok(None);
                    }
                }
                Work::Whole(_) => {}
            }
            let piece = self.inner.read().await?;
            match (&mut self.work, piece) {
                (Work::Whole(whole), Some(piece)) => whole.take(&piece)?,
                (Work::Whole(whole), None) => {
                    let written = whole.written().await?;
                    self.usage = written.usage.or(self.usage.take());
                    return Ok(Some(written.bytes));
                }
                (Work::Stream(stream), Some(piece)) => stream.push(piece, &mut self.usage).await?,
                (Work::Stream(stream), None) => stream.end(&mut self.usage).await?,
            }
        }
    }

    /// Undoing a compressed piece never waits, so it may be asked for at once.
    fn read_now(&mut self) -> Option<Result<Option<Bytes>, Interrupted>> {
        let Work::Stream(stream) = &mut self.work else {
            return None;
        };
        if let Some(bytes) = stream.outlet.ready.pop_front() {
            return Some(Ok(Some(bytes)));
        }
        if stream.is_over {
            return Some(Ok(None));
        }
        let taken = match self.inner.read_now()? {
            Ok(Some(piece)) => stream.push(piece, &mut self.usage).now_or_never()?,
            Ok(None) => stream.end(&mut self.usage).now_or_never()?,
            Err(error) => Err(error),
        };
        if let Err(error) = taken {
            return Some(Err(error));
        }
        match (stream.outlet.ready.pop_front(), stream.is_over) {
            (Some(bytes), _) => Some(Ok(Some(bytes))),
            (None, true) => Some(Ok(None)),
            // nothing for the caller in it: an empty piece lets the batch go on
            (None, false) => Some(Ok(Some(Bytes::new()))),
        }
    }

    async fn finish(self) {
        self.inner.finish().await;
    }
}

/// A whole answer in the caller's dialect.
struct Written {
    bytes: Bytes,
    usage: Option<ModelUsage>,
}

impl Whole {
    fn take(&mut self, piece: &[u8]) -> Result<(), Interrupted> {
        self.taken.extend_from_slice(piece);
        match self.taken.len() > self.terms.most_bytes {
            true => Err(Interrupted::Broken("the answer is too large".to_owned())),
            false => Ok(()),
        }
    }

    /// What is no answer goes on as it came: who reads it next will say so.
    async fn written(&mut self) -> Result<Written, Interrupted> {
        self.is_over = true;
        let taken = self.taken.split().freeze();
        let plain = inflate::whole(&self.coding, taken, self.terms.most_bytes).await;
        let plain = plain.map_err(|_| Interrupted::Broken("the answer cannot be decompressed".to_owned()))?;
        match self.from.clone() {
            Theirs::Codec(codec) => Ok(self.told(codec.read_answer(&plain))),
            Theirs::Adapter(adapted) => {
                let told = adapted.answer(self.status, &plain, |read| self.told(read));
                told.map_err(|why| broken_adapter(&adapted, why))
            }
        }
    }

    fn told(&mut self, read: Result<Read<Answer<'_>>, Box<Error<'_>>>) -> Written {
        match read {
            Ok(mut read) => {
                if let Some(mut collector) = collector(&self.terms) {
                    collector.see_whole(&mut read.value);
                }
                if self.terms.is_unkept() {
                    read.value.id = Some(unkept(read.value.id.as_ref(), &self.terms.id));
                }
                self.losses = read.losses;
                if !self.terms.names.is_empty() {
                    let parts = read.value.choices.iter_mut().flat_map(|choice| &mut choice.parts);
                    parts.for_each(|part| self.terms.names.restore(part));
                }
                Written {
                    usage: read.value.usage,
                    bytes: self.spoken(&read.value),
                }
            }
            Err(error) if error.native.is_some() || error.code.is_some() => Written {
                usage: None,
                bytes: self.refused(*error),
            },
            Err(_) => Written {
                usage: None,
                bytes: Bytes::from_static(b"not an answer"),
            },
        }
    }

    /// An error under a good status.
    fn refused(&self, error: Error<'_>) -> Bytes {
        if !self.terms.streamed {
            return self.to.write_error(&error).into();
        }
        let (mut writer, mut out) = (self.to.stream_writer(&self.terms.envelope()), Vec::new());
        writer.write(&Event::Error(Box::new(error)), &mut out);
        out.into()
    }

    /// The answer as the caller asked for it: whole, or as the stream that it would have been.
    fn spoken(&mut self, answer: &Answer<'_>) -> Bytes {
        if !self.terms.streamed {
            let written = self.to.write_answer(answer, &self.terms.envelope());
            self.losses.append(written.losses);
            return written.bytes.into();
        }
        let (mut writer, mut out) = (self.to.stream_writer(&self.terms.envelope()), Vec::new());
        replay(answer, |event| writer.write(&event, &mut out));
        self.losses.append(writer.take_losses());
        out.into()
    }
}

impl Stream {
    async fn push(&mut self, piece: Bytes, usage: &mut Option<ModelUsage>) -> Result<(), Interrupted> {
        let plain = match &mut self.inflater {
            Some(inflater) => inflater.push(&piece).await.map_err(|_| unreadable())?,
            None => piece,
        };
        self.frames.push(plain);
        self.translate(usage)
    }

    async fn end(&mut self, usage: &mut Option<ModelUsage>) -> Result<(), Interrupted> {
        if let Some(inflater) = &mut self.inflater {
            let rest = inflater.finish().await.map_err(|_| unreadable())?;
            self.frames.push(rest);
        }
        self.translate(usage)?;
        self.is_over = true;
        let was_cut = match &mut self.reader {
            Reading::Codec(reader) => {
                let mut events = Events::new();
                reader.end(&mut events);
                self.outlet.end(events, usage)
            }
            Reading::Adapter(asking) => asking.ask(&[], true, |events| self.outlet.end(events, usage))?,
        };
        match &mut self.outlet.out {
            Out::Answer(_) if was_cut => Err(Interrupted::Broken("the stream ended early".to_owned())),
            Out::Answer(gathered) => {
                let answer = gathered.written();
                self.outlet.ready.push_back(answer);
                Ok(())
            }
            Out::Events(_) => Ok(()),
        }
    }

    fn translate(&mut self, usage: &mut Option<ModelUsage>) -> Result<(), Interrupted> {
        match &mut self.reader {
            Reading::Codec(reader) => {
                while let Some(frame) = self.frames.next_frame().map_err(|_| unreadable())? {
                    let data = frame.data();
                    let seen = frame.seen(&data);
                    if is_empty(&seen) {
                        continue;
                    }
                    let mut events = Events::new();
                    reader.read(seen, &mut events);
                    self.outlet.write(events, usage);
                }
                Ok(())
            }
            Reading::Adapter(asking) => {
                let (frames, cut) = together(&mut self.frames);
                let data: Vec<_> = frames.iter().map(Frame::data).collect();
                let seen = frames.iter().zip(&data).map(|(frame, data)| frame.seen(data));
                let seen: Vec<_> = seen.filter(|seen| !is_empty(seen)).collect();
                if !seen.is_empty() {
                    asking.ask(&seen, false, |events| self.outlet.write(events, usage))?;
                }
                cut.map_err(|_| unreadable())
            }
        }
    }
}

/// The frames that are there, and whether what follows them can be read.
fn together(frames: &mut Frames) -> (Vec<Frame>, Result<(), Unreadable>) {
    let mut all = Vec::new();
    loop {
        match frames.next_frame() {
            Ok(Some(frame)) => all.push(frame),
            Ok(None) => return (all, Ok(())),
            Err(unreadable) => return (all, Err(unreadable)),
        }
    }
}

/// A comment, or a sign of life.
fn is_empty(frame: &StreamFrame<'_>) -> bool {
    frame.data.is_empty() && frame.name.is_none()
}

impl Theirs {
    fn reading(&self) -> Reading {
        match self {
            Self::Codec(codec) => Reading::Codec(codec.stream_reader()),
            Self::Adapter(adapted) => Reading::Adapter(Box::new(Asking {
                adapted: adapted.clone(),
                state: PluginState::default(),
                losses: Losses::default(),
            })),
        }
    }
}

impl Reading {
    fn take_losses(&mut self) -> Losses {
        match self {
            Self::Codec(reader) => reader.take_losses(),
            Self::Adapter(asking) => std::mem::take(&mut asking.losses),
        }
    }
}

impl Asking {
    fn ask<T>(
        &mut self,
        frames: &[StreamFrame<'_>],
        last: bool,
        then: impl FnOnce(Events<'_>) -> T,
    ) -> Result<T, Interrupted> {
        let Self {
            adapted,
            state,
            losses,
        } = self;
        let told = adapted.stream(state, frames, last, |events, lost| {
            losses.append(lost);
            then(events)
        });
        told.map_err(|why| broken_adapter(adapted, why))
    }
}

impl Outlet {
    fn new(to: &'static dyn Codec, terms: Translation) -> Self {
        Self {
            unkept: terms.is_unkept().then(|| terms.id.clone()),
            collector: collector(&terms),
            names: (!terms.names.is_empty()).then(|| Restorer::new(terms.names.clone())),
            out: match terms.streamed {
                true => Out::Events(to.stream_writer(&terms.envelope())),
                false => Out::Answer(Box::new(Gathered {
                    assembler: Assembler::new(terms.from, terms.most_bytes),
                    to,
                    terms,
                })),
            },
            ready: VecDeque::new(),
        }
    }

    fn write(&mut self, events: Events<'_>, usage: &mut Option<ModelUsage>) {
        let mut out = Vec::new();
        for mut event in events {
            if let Some(collector) = &mut self.collector {
                collector.see(&mut event);
            }
            if let (Some(id), Event::Start(start)) = (&self.unkept, &mut event) {
                start.id = Some(unkept(start.id.as_ref(), id));
            }
            note(&event, usage);
            match &mut self.names {
                None => self.out.take(&event, &mut out),
                Some(names) => {
                    for event in &names.restore(event) {
                        self.out.take(event, &mut out);
                    }
                }
            }
        }
        if !out.is_empty() {
            self.ready.push_back(out.into());
        }
    }

    /// Writes what was still due at the stream's end; whether the provider had cut it off. Then it has no end here either:
    /// the relay sees that it is not complete.
    fn end(&mut self, mut events: Events<'_>, usage: &mut Option<ModelUsage>) -> bool {
        let due = events.len();
        events.retain(|event| !matches!(event, Event::Error(_)));
        let was_cut = events.len() < due;
        self.write(events, usage);
        was_cut
    }
}

impl Out {
    fn take(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Events(writer) => writer.write(event, out),
            Self::Answer(gathered) => gathered.assembler.push(event),
        }
    }
}

impl Gathered {
    /// The whole answer, or the error that the provider told in its stream.
    fn written(&mut self) -> Bytes {
        let empty = Assembler::new(self.terms.from, 0);
        match std::mem::replace(&mut self.assembler, empty).finish() {
            Assembled::Whole(answer) => {
                let written = self.to.write_answer(&answer, &self.terms.envelope());
                written.bytes.into()
            }
            Assembled::Broken(_, error) => self.to.write_error(&error).into(),
        }
    }
}

fn unkept(theirs: Option<&Text<'_>>, ours: &str) -> Text<'static> {
    let theirs = theirs.map(Text::get);
    Text::plain(unkept::marked(theirs.as_deref().unwrap_or(ours)))
}

fn collector(terms: &Translation) -> Option<Box<Collector>> {
    let keeping = terms.keeping.as_deref()?.clone();
    Some(Box::new(Collector::new(keeping, &terms.id)))
}

fn note(event: &Event<'_>, usage: &mut Option<ModelUsage>) {
    if let Event::Usage(reported) = event {
        *usage = Some(usage.unwrap_or_default().updated_by(reported));
    }
}

fn broken_adapter(adapted: &Adapted, why: PluginFault) -> Interrupted {
    Interrupted::Adapter {
        name: adapted.name().clone(),
        why,
    }
}

fn unreadable() -> Interrupted {
    Interrupted::Broken("the stream cannot be read".to_owned())
}
