//! Events as a stream of Responses: created, items, completed. The last event holds the whole answer once more.

use crate::model::{
    Envelope, Error, ErrorKind, Event, Losses, Start, Stop, StopReason, StreamWriter, Text, Usage,
};
use crate::write::{Object, typed_event};

use super::output::Output;
use super::shell::{Shell, State};
use super::{NO_SUCH, error, stop};

pub(super) struct Writer {
    shell: Shell,
    output: Output,
    started: bool,
    over: bool,
    stop: Option<Stop<'static>>,
    usage: Option<Usage>,
}

impl Writer {
    pub fn new(envelope: &Envelope<'_>) -> Writer {
        Writer {
            shell: Shell::new(envelope),
            output: Output::new(envelope.id, true, false),
            started: false,
            over: false,
            stop: None,
            usage: None,
        }
    }
}

impl StreamWriter for Writer {
    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        match event {
            Event::Start(start) => self.start(start, out),
            Event::Usage(usage) => self.usage = Some(self.usage.unwrap_or_default().updated_by(usage)),
            Event::Error(error) => self.error(error, out),
            Event::Ping => self.keep_alive(out),
            Event::Done => self.done(out),
            Event::Extra { extras, .. } => {
                for extra in extras {
                    self.output.losses.dropped(extra.name.get().into_owned(), NO_SUCH);
                }
            }
            Event::PartStart { choice, .. }
            | Event::Delta { choice, .. }
            | Event::PartStop { choice, .. }
            | Event::Stop { choice, .. }
                if *choice != 0 =>
            {
                let why = "a response is one answer";
                self.output.losses.dropped(format!("choices[{choice}]"), why);
            }
            _ if self.stop.is_some() => {}
            Event::Stop { stop, .. } => self.stop = Some(Stop::clone(stop).into_owned()),
            Event::PartStart { part, content, .. } => {
                self.start(&Start::default(), out);
                self.output.part_start(*part, content, out);
            }
            Event::Delta { part, delta, .. } => {
                self.start(&Start::default(), out);
                self.output.delta(*part, delta, out);
            }
            Event::PartStop { part, .. } => self.output.part_stop(*part, out),
        }
        if self.output.is_full() && !self.over {
            let why = "the provider's answer is longer than may be kept";
            self.error(&Error::new(ErrorKind::BadAnswer, why), out);
        }
    }

    fn keep_alive(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b": keep-alive\n\n");
    }

    fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.output.losses)
    }
}

impl Writer {
    fn start(&mut self, start: &Start<'_>, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        self.usage = start.usage.or(self.usage);
        if let Some(id) = &start.id {
            self.shell.id = id.clone().into_owned();
        }
        if let Some(model) = &start.model {
            self.shell.model = model.clone().into_owned();
        }
        self.shell.created = start.created.unwrap_or(self.shell.created);
        self.shell.service_tier = start.service_tier.clone().map(Text::into_owned);
        for extra in &start.extras {
            self.output.losses.dropped(extra.name.get().into_owned(), NO_SUCH);
        }
        for kind in ["response.created", "response.in_progress"] {
            self.response(kind, &State::begun(), out);
        }
    }

    fn response(&mut self, kind: &str, state: &State<'_>, out: &mut Vec<u8>) {
        let shell = &self.shell;
        self.output.event(kind, out, |event: &mut Object<'_>| {
            event.object("response", |response| shell.write(state, &[], response));
        });
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        self.start(&Start::default(), out);
        self.output.close(out);
        self.over = true;
        let unsaid = || Stop::new(StopReason::End).with_calls(self.output.has_calls());
        let over = self.stop.take().unwrap_or_else(unsaid);
        let status = stop::status(&over, &mut self.output.losses);
        let (items, usage) = (self.output.joined(), self.usage);
        let state = State {
            status: status.word,
            reason: status.reason,
            error: None,
            output: &items,
            usage: usage.as_ref(),
        };
        self.response(&format!("response.{}", status.word), &state, out);
    }

    /// A response that failed. What was open stays open, lest it look whole (PAIN C03). It is said twice, as OpenAI does:
    /// its SDKs raise the error that an `error` event has, other clients wait for the response that failed. Where nothing
    /// was said before, the error stands alone, as it does behind a stream that somebody else began.
    fn error(&mut self, fault: &Error<'_>, out: &mut Vec<u8>) {
        self.over = true;
        if !self.started {
            return typed_event("error", out, |event| error::write_event(fault, event));
        }
        self.output
            .event("error", out, |event| error::write_event(fault, event));
        let (items, usage) = (self.output.joined(), self.usage);
        let state = State {
            status: "failed",
            reason: None,
            error: Some(fault),
            output: &items,
            usage: usage.as_ref(),
        };
        self.response("response.failed", &state, out);
    }
}
