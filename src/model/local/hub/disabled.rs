//! Stands in for the fetcher in a build without the cargo feature `hub`.

use super::{HubError, HubEvent, HubOptions, HubReference, HubSnapshot};

/// Refuses, because this build has no hub client.
///
/// # Errors
///
/// Always [`HubError::Disabled`].
pub fn fetch(
    reference: &HubReference,
    _options: &HubOptions,
    _events: &mut dyn FnMut(HubEvent),
) -> Result<HubSnapshot, HubError> {
    Err(HubError::Disabled {
        reference: reference.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_says_how_to_build() {
        let reference: HubReference = "hf:org/name".parse().unwrap();
        let error = fetch(&reference, &HubOptions::default(), &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("hf:org/name"));
        assert!(error.hint().unwrap().contains("--features hub"));
    }
}
