//! What one plugin is given back with the next delta of one stream; when a stream ends is left to the gateway.

/// One plugin's memory of one stream: bytes that only the plugin understands, kept by the host between events.
///
/// They may hold a piece of the answer, so they are overwritten when replaced and when the stream ends (on drop).
#[derive(Default)]
pub struct PluginState(Vec<u8>);

impl PluginState {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn replace(&mut self, with: Vec<u8>) {
        self.wipe();
        self.0 = with;
    }

    fn wipe(&mut self) {
        self.0.fill(0);
        // without a reader of the zeros the compiler may leave them out
        std::hint::black_box(self.0.as_slice());
    }
}

impl Drop for PluginState {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// Says how much there is, never what.
impl std::fmt::Debug for PluginState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PluginState({} bytes)", self.0.len())
    }
}
