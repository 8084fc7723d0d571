//! The shop whose traces are made up: services, operations, and who calls whom.

use std::collections::HashMap;

/// One operation a line: `service.operation`, median of its own time in milliseconds, spread (the
/// sigma of a log-normal), then its calls in order. `a+b` are called together, `a?30` in 30 of
/// 100 cases, `a~` by a message whose answer nobody waits for, `a*3` three times in a row. A call
/// to another service is two spans, CLIENT and SERVER; one within the service is one.
const SHOP: &str = "
web.home               3    0.4   user.session web.render catalog.list+ads.pick+recommend.for_user
web.product            3    0.4   user.session catalog.get+inventory.level+recommend.similar web.render
web.search             2    0.4   user.session?60 search.query web.render
web.cart               2    0.4   user.session cart.get web.render
web.checkout           4    0.4   user.session cart.get checkout.place web.render
web.login              2    0.3   user.login web.render
web.render             6    0.5
api.orders             2    0.3   user.token orders.list
api.order              2    0.3   user.token orders.get shipping.track?70
api.health             0.3  0.3
scheduler.report       20   0.3   report.build
scheduler.reprice      5    0.3   pricing.recompute
user.session           1    0.3   user.cache user.db?15
user.token             1    0.3   user.cache
user.login             8    0.4   user.db user.hash user.audit~
user.hash              40   0.1
user.cache             0.4  0.4
user.db                3    0.5
user.audit             1    0.4
catalog.list           30   0.3   catalog.cache catalog.db?25 pricing.many
catalog.get            4    0.4   catalog.cache catalog.db?20 pricing.one
catalog.cache          0.5  0.4
catalog.db             6    0.6
pricing.one            1    0.4   pricing.rules
pricing.many           4    0.4   pricing.rules*3
pricing.quote          5    0.3   pricing.rules
pricing.rules          0.6  0.4
pricing.recompute      60   0.3   pricing.rules*20 catalog.db*5
ads.pick               5    0.5   ads.model
ads.model              8    0.4
recommend.for_user     6    0.4   recommend.model recommend.store
recommend.similar      4    0.4   recommend.store
recommend.model        14   0.4
recommend.store        2    0.6
search.query           6    0.5   search.parse search.shard+search.shard+search.shard search.rank
search.parse           0.7  0.3
search.shard           12   0.5
search.rank            3    0.4
search.suggest         4    0.3   search.parse
inventory.level        2    0.4   inventory.db
inventory.reserve      3    0.4   inventory.db inventory.lock
inventory.db           3    0.6
inventory.lock         1    0.5
cart.get               2    0.4   cart.store
cart.store             1.5  0.5
checkout.place         6    0.4   inventory.reserve shipping.quote payment.charge orders.create mail.confirm~
payment.charge         10   0.4   payment.fraud payment.gateway
payment.fraud          12   0.4
payment.gateway        90   0.4
shipping.quote         8    0.4   shipping.rates
shipping.rates         5    0.4
shipping.track         6    0.5
orders.list            3    0.4   orders.db
orders.get             2    0.4   orders.db
orders.create          4    0.4   orders.db orders.events~
orders.db              4    0.5
orders.events          2    0.4
mail.confirm           15   0.5   mail.smtp
mail.smtp              60   0.5
report.build           200  0.3   orders.db*4 report.store
report.store           10   0.5
";

/// How one call is made.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) to: usize,
    pub(super) chance: f64,
    pub(super) times: usize,
    pub(super) by_message: bool,
}

/// One operation.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) service: &'static str,
    pub(super) operation: &'static str,
    pub(super) median_ms: f64,
    pub(super) spread: f64,
    /// One after the other; the calls of one step together.
    pub(super) steps: Vec<Vec<Call>>,
}

/// The whole shop.
pub(super) struct Shop {
    pub(super) nodes: Vec<Node>,
    places: HashMap<&'static str, usize>,
}

impl Shop {
    pub(super) fn read() -> Self {
        let lines = || SHOP.lines().filter(|line| !line.is_empty());
        let name = |line: &'static str| line.split_whitespace().next().unwrap_or("");
        let places: HashMap<&str, usize> = lines().map(name).enumerate().map(|(place, name)| (name, place)).collect();
        let nodes = lines().map(|line| read_node(line, &places)).collect();
        Self { nodes, places }
    }

    /// The operation with a name, `service.operation`.
    pub(super) fn place(&self, name: &str) -> usize {
        *self.places.get(name).unwrap_or_else(|| panic!("no operation {name:?}"))
    }
}

fn read_node(line: &'static str, places: &HashMap<&str, usize>) -> Node {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [name, median, spread, calls @ ..] = &words[..] else { panic!("three words are needed: {line:?}") };
    let (service, operation) = name.split_once('.').unwrap_or((name, ""));
    let step = |step: &&str| step.split('+').map(|call| read_call(call, places)).collect();
    Node {
        service,
        operation,
        median_ms: median.parse().unwrap_or(1.0),
        spread: spread.parse().unwrap_or(0.4),
        steps: calls.iter().map(step).collect(),
    }
}

fn read_call(text: &str, places: &HashMap<&str, usize>) -> Call {
    let name = text.split(['?', '*', '~']).next().unwrap_or(text);
    let number = |sign: char| text.split_once(sign).and_then(|(_, number)| number.parse::<f64>().ok());
    Call {
        to: *places.get(name).unwrap_or_else(|| panic!("no operation {name:?}")),
        chance: number('?').map_or(1.0, |percent| percent / 100.0),
        times: number('*').map_or(1, |times| times as usize),
        by_message: text.ends_with('~'),
    }
}
