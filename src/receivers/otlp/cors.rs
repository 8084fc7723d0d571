//! Cross-origin requests: which pages of a browser may send, as the Fetch standard has it and the
//! Collector answers it.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::net::{CorsConfig, Reply};

/// Headers that a page may send when the config names none.
const SAFE_HEADERS: [&str; 5] = ["accept", "content-type", "origin", "x-requested-with", "content-encoding"];

/// The rules of one server.
#[derive(Clone, Debug)]
pub(super) struct Cors {
    /// What stands before and after the `*`; no second part without one.
    origins: Vec<(String, Option<String>)>,
    allows_any_header: bool,
    allowed_headers: Vec<String>,
    exposed_headers: Option<HeaderValue>,
    max_age: u64,
}

impl Cors {
    /// The rules that a config states; none without origins.
    pub(super) fn new(config: &CorsConfig) -> Option<Self> {
        if config.allowed_origins.is_empty() {
            return None;
        }
        let origin = |origin: &String| {
            let origin = origin.to_ascii_lowercase();
            match origin.split_once('*') {
                Some((before, after)) => (before.to_owned(), Some(after.to_owned())),
                None => (origin, None),
            }
        };
        let named = config.allowed_headers.iter().map(|name| name.to_ascii_lowercase());
        Some(Self {
            origins: config.allowed_origins.iter().map(origin).collect(),
            allows_any_header: config.allowed_headers.iter().any(|name| name == "*"),
            allowed_headers: SAFE_HEADERS.map(str::to_owned).into_iter().chain(named).collect(),
            exposed_headers: HeaderValue::try_from(config.exposed_headers.join(", "))
                .ok()
                .filter(|value| !value.is_empty()),
            max_age: config.max_age,
        })
    }

    /// The origin to name in the answer, when the request's is allowed.
    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let value = headers.get(ORIGIN)?;
        let origin = value.to_str().ok()?.to_ascii_lowercase();
        let matches = |(before, after): &(String, Option<String>)| match after {
            None => *before == origin,
            Some(after) => {
                origin.len() >= before.len() + after.len() && origin.starts_with(before) && origin.ends_with(after)
            }
        };
        if self.origins.contains(&(String::new(), Some(String::new()))) {
            return Some(HeaderValue::from_static("*"));
        }
        self.origins.iter().any(matches).then(|| value.clone())
    }

    /// The answer to a browser that asks before it sends; `None` for any other request.
    pub(super) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response<Reply>> {
        let asked = headers.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|_| method == Method::OPTIONS)?;
        let mut answer = Response::new(Reply::default());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        let vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
        answer.headers_mut().insert(VARY, HeaderValue::from_static(vary));
        let wanted = headers.get(ACCESS_CONTROL_REQUEST_HEADERS);
        let may_send = asked == "POST" && wanted.is_none_or(|wanted| self.allows_headers(wanted));
        let Some(origin) = self.allowed(headers).filter(|_| may_send) else { return Some(answer) };
        let to = answer.headers_mut();
        to.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        to.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        to.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        if let Some(wanted) = wanted {
            to.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        if self.max_age > 0 {
            to.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(self.max_age));
        }
        Some(answer)
    }

    fn allows_headers(&self, wanted: &HeaderValue) -> bool {
        let Ok(wanted) = wanted.to_str() else { return false };
        let names = wanted.split(',').map(str::trim).filter(|name| !name.is_empty());
        self.allows_any_header
            || names.into_iter().all(|name| self.allowed_headers.iter().any(|known| known.eq_ignore_ascii_case(name)))
    }

    /// Marks the answer of a request that a page sent.
    pub(super) fn decorate(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        answer.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = self.allowed(request) else { return };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        if let Some(exposed) = &self.exposed_headers {
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str], headers: &[&str]) -> Cors {
        Cors::new(&CorsConfig {
            allowed_origins: origins.iter().map(ToString::to_string).collect(),
            allowed_headers: headers.iter().map(ToString::to_string).collect(),
            exposed_headers: vec!["x-seen".to_owned()],
            max_age: 60,
        })
        .unwrap()
    }

    fn preflight(cors: &Cors, origin: &'static str, headers: &'static str) -> HeaderMap {
        let request = HeaderMap::from_iter([
            (ORIGIN, HeaderValue::from_static(origin)),
            (ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST")),
            (ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static(headers)),
        ]);
        let answer = cors.preflight(&Method::OPTIONS, &request).unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        answer.headers().clone()
    }

    #[test]
    fn origins_match_whole_or_around_one_star() {
        let cors = cors(&["https://a.test", "https://*.b.test"], &[]);
        for (origin, is_allowed) in [
            ("https://a.test", true),
            ("HTTPS://A.test", true),
            ("https://x.b.test", true),
            ("https://b.test", false),
            ("https://a.test.evil", false),
            ("null", false),
        ] {
            let answer = preflight(&cors, origin, "content-type");
            let named = answer.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap());
            assert_eq!(named, is_allowed.then_some(origin));
        }
        let any = super::tests::cors(&["*"], &[]);
        assert_eq!(preflight(&any, "https://x", "")[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    }

    #[test]
    fn a_header_that_is_not_allowed_stops_the_page() {
        let safe = cors(&["*"], &["X-Tenant"]);
        assert!(preflight(&safe, "https://x", "x-tenant, content-type").contains_key(ACCESS_CONTROL_ALLOW_HEADERS));
        assert!(!preflight(&safe, "https://x", "x-other").contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        assert!(preflight(&cors(&["*"], &["*"]), "https://x", "x-other").contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    }

    #[test]
    fn only_a_browsers_question_is_a_preflight() {
        let cors = cors(&["*"], &[]);
        assert!(cors.preflight(&Method::OPTIONS, &HeaderMap::new()).is_none());
        assert!(Cors::new(&CorsConfig::default()).is_none());
        let mut answer = HeaderMap::new();
        cors.decorate(&HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static("https://x"))]), &mut answer);
        assert_eq!(
            (&answer[ACCESS_CONTROL_EXPOSE_HEADERS], &answer[VARY]),
            (&"x-seen".parse().unwrap(), &"Origin".parse().unwrap())
        );
    }
}
