//! The `export!` macro and the configured plugin behind it.

use std::sync::OnceLock;

use crate::bindings::lifecycle::exports::penstock::plugin::lifecycle;
use crate::{Hooks, Kinds, Plugin};

/// The one plugin of a component, from `configure` on.
pub struct Instance<P> {
    configured: OnceLock<(P, Kinds)>,
}

impl<P: Plugin> Instance<P> {
    /// Not configured yet.
    pub const fn new() -> Instance<P> {
        Instance {
            configured: OnceLock::new(),
        }
    }

    /// Applies the settings, once.
    pub fn configure(&self, settings: &str, exported: Hooks) -> Result<lifecycle::Interests, String> {
        let settings = crate::settings::read(settings)?;
        let (plugin, interests) = P::new(settings)?;
        let declared = interests.declared(exported)?;
        self.configured
            .set((plugin, declared.kinds))
            .map_err(|_| "configured twice: settings are applied once per instance".to_string())?;
        Ok(declared)
    }

    /// The configured plugin. The host never calls a hook before `configure` has returned well.
    pub fn plugin(&self) -> &P {
        &self.configured().0
    }

    /// The kinds of text that the plugin asked for.
    pub fn kinds(&self) -> Kinds {
        self.configured().1
    }

    fn configured(&self) -> &(P, Kinds) {
        self.configured.get().expect("hooks are called after configure")
    }
}

impl<P: Plugin> Default for Instance<P> {
    fn default() -> Instance<P> {
        Instance::new()
    }
}

/// Makes the crate a component: `export!(MyPlugin: on_request, text_guard);`
///
/// The names are the hooks that it has: `on_request`, `on_route`, `on_response`, `on_event`, `on_complete`, and
/// `text_guard`, which is `on_event` and `on_response` together. They must be the hooks of `plugin.yaml`.
#[macro_export]
macro_rules! export {
    ($plugin:ty: $($hook:ident),+ $(,)?) => {
        #[doc(hidden)]
        mod __penstock_component {
            use super::*;

            static INSTANCE: $crate::private::Instance<$plugin> = $crate::private::Instance::new();

            struct Component;

            impl $crate::bindings::lifecycle::exports::penstock::plugin::lifecycle::Guest for Component {
                fn configure(
                    settings: ::std::string::String,
                ) -> ::std::result::Result<
                    $crate::bindings::lifecycle::exports::penstock::plugin::lifecycle::Interests,
                    ::std::string::String,
                > {
                    let exported = $crate::Hooks::empty() $(.union($crate::__hooks!($hook)))+;
                    INSTANCE.configure(&settings, exported)
                }
            }
            $crate::bindings::lifecycle::export!(Component with_types_in $crate::bindings::lifecycle);

            $($crate::__export_hook!($hook, $plugin);)+
        }
    };
}

/// The flags of one name in an `export!` line.
#[doc(hidden)]
#[macro_export]
macro_rules! __hooks {
    (on_request) => {
        $crate::Hooks::ON_REQUEST
    };
    (on_route) => {
        $crate::Hooks::ON_ROUTE
    };
    (on_response) => {
        $crate::Hooks::ON_RESPONSE
    };
    (on_event) => {
        $crate::Hooks::ON_EVENT
    };
    (on_complete) => {
        $crate::Hooks::ON_COMPLETE
    };
    (text_guard) => {
        $crate::Hooks::ON_EVENT.union($crate::Hooks::ON_RESPONSE)
    };
}

/// The export behind one name in an `export!` line.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_hook {
    (on_request, $plugin:ty) => {
        impl $crate::bindings::on_request::exports::penstock::plugin::on_request::Guest for Component {
            fn handle(call: &$crate::Call) -> $crate::RequestVerdict {
                <$plugin as $crate::OnRequest>::on_request(INSTANCE.plugin(), call)
            }
        }
        $crate::bindings::on_request::export!(Component with_types_in $crate::bindings::on_request);
    };
    (on_route, $plugin:ty) => {
        impl $crate::bindings::on_route::exports::penstock::plugin::on_route::Guest for Component {
            fn handle(
                call: &$crate::Call,
                candidates: ::std::vec::Vec<$crate::Candidate>,
            ) -> ::std::result::Result<::std::vec::Vec<$crate::Choice>, $crate::Refusal> {
                <$plugin as $crate::OnRoute>::on_route(INSTANCE.plugin(), call, &candidates)
            }
        }
        $crate::bindings::on_route::export!(Component with_types_in $crate::bindings::on_route);
    };
    (on_response, $plugin:ty) => {
        impl $crate::bindings::on_response::exports::penstock::plugin::on_response::Guest for Component {
            fn handle(call: &$crate::Call, answer: &$crate::Answer) -> $crate::ResponseVerdict {
                <$plugin as $crate::OnResponse>::on_response(INSTANCE.plugin(), call, answer)
            }
        }
        $crate::bindings::on_response::export!(Component with_types_in $crate::bindings::on_response);
    };
    (on_event, $plugin:ty) => {
        impl $crate::bindings::on_event::exports::penstock::plugin::on_event::Guest for Component {
            fn handle(call: &$crate::Call, delta: $crate::Delta, state: ::std::vec::Vec<u8>) -> $crate::Outcome {
                <$plugin as $crate::OnEvent>::on_event(INSTANCE.plugin(), call, delta, state)
            }
        }
        $crate::bindings::on_event::export!(Component with_types_in $crate::bindings::on_event);
    };
    (on_complete, $plugin:ty) => {
        impl $crate::bindings::on_complete::exports::penstock::plugin::on_complete::Guest for Component {
            fn handle(call: &$crate::Call, summary: $crate::Summary) {
                <$plugin as $crate::OnComplete>::on_complete(INSTANCE.plugin(), call, summary)
            }
        }
        $crate::bindings::on_complete::export!(Component with_types_in $crate::bindings::on_complete);
    };
    (text_guard, $plugin:ty) => {
        impl $crate::bindings::on_event::exports::penstock::plugin::on_event::Guest for Component {
            fn handle(_call: &$crate::Call, delta: $crate::Delta, state: ::std::vec::Vec<u8>) -> $crate::Outcome {
                $crate::private::on_event::<$plugin>(INSTANCE.plugin(), delta, state)
            }
        }
        $crate::bindings::on_event::export!(Component with_types_in $crate::bindings::on_event);

        impl $crate::bindings::on_response::exports::penstock::plugin::on_response::Guest for Component {
            fn handle(_call: &$crate::Call, answer: &$crate::Answer) -> $crate::ResponseVerdict {
                $crate::private::on_response::<$plugin>(INSTANCE.plugin(), answer, INSTANCE.kinds())
            }
        }
        $crate::bindings::on_response::export!(Component with_types_in $crate::bindings::on_response);
    };
}
