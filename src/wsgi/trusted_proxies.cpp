// SPDX-License-Identifier: Apache-2.0
#include "wsgix/wsgi/trusted_proxies.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include "forwarded.hpp"
#include "wsgix/wsgi/environ.hpp"

namespace wsgix::wsgi {
namespace {

/// Headers of one category say the same thing in different words.
enum Category : std::uint8_t {
  kClient = 1,
  kHost = 2,
  kServer = 4,
  kPort = 8,
  kScript = 16,
  kScheme = 32,
};

enum class Grammar : std::uint8_t { Verbatim, ForwardedFor, SchemeName, Switch, Forwarded };

struct Known {
  std::string_view name;
  std::string_view key;
  unsigned categories;
  Grammar grammar;
  std::string_view target;  ///< of a verbatim header
};

// clang-format off
constexpr Known kKnown[] = {
    {"X-Forwarded-For",         "HTTP_X_FORWARDED_FOR",         kClient, Grammar::ForwardedFor, {}},
    {"X-Client-IP",             "HTTP_X_CLIENT_IP",             kClient, Grammar::Verbatim,     "REMOTE_ADDR"},
    {"X-Real-IP",               "HTTP_X_REAL_IP",               kClient, Grammar::Verbatim,     "REMOTE_ADDR"},
    {"X-Forwarded-Host",        "HTTP_X_FORWARDED_HOST",        kHost,   Grammar::Verbatim,     "HTTP_HOST"},
    {"X-Host",                  "HTTP_X_HOST",                  kHost,   Grammar::Verbatim,     "HTTP_HOST"},
    {"X-Forwarded-Server",      "HTTP_X_FORWARDED_SERVER",      kServer, Grammar::Verbatim,     "SERVER_NAME"},
    {"X-Forwarded-Port",        "HTTP_X_FORWARDED_PORT",        kPort,   Grammar::Verbatim,     "SERVER_PORT"},
    {"X-Script-Name",           "HTTP_X_SCRIPT_NAME",           kScript, Grammar::Verbatim,     "SCRIPT_NAME"},
    {"X-Forwarded-Script-Name", "HTTP_X_FORWARDED_SCRIPT_NAME", kScript, Grammar::Verbatim,     "SCRIPT_NAME"},
    {"X-Forwarded-Proto",       "HTTP_X_FORWARDED_PROTO",       kScheme, Grammar::SchemeName,   {}},
    {"X-Forwarded-Scheme",      "HTTP_X_FORWARDED_SCHEME",      kScheme, Grammar::SchemeName,   {}},
    {"X-Scheme",                "HTTP_X_SCHEME",                kScheme, Grammar::SchemeName,   {}},
    {"X-Forwarded-HTTPS",       "HTTP_X_FORWARDED_HTTPS",       kScheme, Grammar::Switch,       {}},
    {"X-Forwarded-SSL",         "HTTP_X_FORWARDED_SSL",         kScheme, Grammar::Switch,       {}},
    {"X-HTTPS",                 "HTTP_X_HTTPS",                 kScheme, Grammar::Switch,       {}},
    {"Forwarded",               "HTTP_FORWARDED", kClient | kHost | kScheme, Grammar::Forwarded, {}},
};

constexpr struct { std::string_view word; Grammar grammar; ForwardedScheme scheme; } kSchemeWords[] = {
    {"https", Grammar::SchemeName, ForwardedScheme::Https},
    {"http",  Grammar::SchemeName, ForwardedScheme::Http},
    {"on",    Grammar::Switch,     ForwardedScheme::Https},
    {"true",  Grammar::Switch,     ForwardedScheme::Https},
    {"1",     Grammar::Switch,     ForwardedScheme::Https},
    {"off",   Grammar::Switch,     ForwardedScheme::Http},
    {"false", Grammar::Switch,     ForwardedScheme::Http},
    {"0",     Grammar::Switch,     ForwardedScheme::Http},
};
// clang-format on

const Known& known(ProxyHeader header) noexcept { return kKnown[static_cast<std::size_t>(header)]; }

/// From all the hops those that are known: the client first, then the proxies in front of us.
struct Hops {
  std::size_t client = 0;
  std::size_t first_trusted = 0;  ///< the number of hops when none is
};

class Rewriter {
 public:
  Rewriter(const TrustedProxies& trusted, const EnvironLookup& find)
      : trusted_(trusted), find_(find) {}

  Rewrite run() {
    for (const ProxyHeader header : trusted_.headers) touched_ |= known(header).categories;
    if (peer_is_trusted()) {
      for (const ProxyHeader header : trusted_.headers) {
        if (const auto value = find_(known(header).key)) apply(known(header), *value);
      }
    }
    for (const Known& header : kKnown) {
      if ((header.categories & touched_) == 0 || is_winner(header)) continue;
      drop_change(header.key);
      if (find_(header.key)) rewrite_.removed.push_back(header.key);
    }
    return std::move(rewrite_);
  }

 private:
  bool is_trusted(std::string_view address) const {
    const auto parsed = parse_address(address);
    return parsed && contains(*trusted_.networks, *parsed);
  }

  bool peer_is_trusted() const {
    if (trusted_.networks == nullptr) return true;
    const auto peer = find_("REMOTE_ADDR");
    return peer && is_trusted(*peer);
  }

  void apply(const Known& header, std::string_view value) {
    switch (header.grammar) {
      case Grammar::Verbatim: return apply_verbatim(header, value);
      case Grammar::ForwardedFor: return apply_forwarded_for(header, value);
      case Grammar::SchemeName:
      case Grammar::Switch: return apply_scheme(header, header.grammar, value);
      case Grammar::Forwarded: return apply_forwarded(header, value);
    }
  }

  void apply_verbatim(const Known& header, std::string_view value) {
    win(header, header.categories);
    set(header.target, value);
    if (header.categories == kScript) set("mod_wsgi.mount_point", value);
  }

  void apply_scheme(const Known& header, Grammar grammar, std::string_view value) {
    win(header, kScheme);
    if (rewrite_.scheme == ForwardedScheme::Absent) rewrite_.scheme = ForwardedScheme::Unclear;
    for (const auto& word : kSchemeWords) {
      if (word.grammar == grammar && equals_ignoring_case(word.word, value)) {
        rewrite_.scheme = word.scheme;
      }
    }
  }

  void apply_forwarded_for(const Known& header, std::string_view value) {
    win(header, kClient);
    const std::vector<std::string_view> elements = split_forwarded_for(value);
    if (elements.empty()) return;
    const Hops hops = hops_of(elements);
    const std::string_view client = elements[hops.client];
    set("REMOTE_ADDR", numeric_part(client).value_or(client));
    if (trusted_.networks == nullptr) return;
    std::string kept(client);
    for (std::size_t i = hops.client + 1; i < elements.size(); ++i) {
      kept.append(", ").append(elements[i]);
    }
    set(header.key, kept);
  }

  void apply_forwarded(const Known& header, std::string_view value) {
    const auto elements = parse_forwarded(value);
    if (!elements || elements->empty()) return;
    std::vector<std::string_view> addresses;
    for (const ForwardedElement& element : *elements) {
      addresses.push_back(element.client ? *element.client : std::string_view());
    }
    const Hops hops = hops_of(addresses);
    win(header, kClient);
    // A client that is hidden or unknown leaves the nearest hop that has an address.
    if (const auto client = numeric_part(addresses[hops.client])) {
      set("REMOTE_ADDR", *client);
    } else if (hops.first_trusted < addresses.size()) {
      set("REMOTE_ADDR", *numeric_part(addresses[hops.first_trusted]));
    }
    // What the client asked for is known to the proxy that the client reached.
    const ForwardedElement& first = (*elements)[hops.client];
    if (first.host) {
      win(header, kHost);
      set("HTTP_HOST", *first.host);
    }
    if (first.scheme) apply_scheme(header, Grammar::SchemeName, *first.scheme);
    if (trusted_.networks == nullptr) return;
    std::string kept(first.text);
    for (std::size_t i = hops.client + 1; i < elements->size(); ++i) {
      kept.append(", ").append((*elements)[i].text);
    }
    set(header.key, kept);
  }

  /// From the right as long as the hops are trusted; the one before them is the client.
  Hops hops_of(const std::vector<std::string_view>& hops) const {
    if (trusted_.networks == nullptr) return {0, hops.size()};
    std::size_t first_trusted = hops.size();
    while (first_trusted > 0) {
      const auto address = numeric_part(hops[first_trusted - 1]);
      if (!address || !is_trusted(*address)) break;
      --first_trusted;
    }
    return {first_trusted > 0 ? first_trusted - 1 : 0, first_trusted};
  }

  void win(const Known& header, unsigned categories) {
    for (std::size_t i = 0; i < winners_.size(); ++i) {
      if ((categories & (1U << i)) != 0) winners_[i] = &header;
    }
  }

  bool is_winner(const Known& header) const {
    return std::find(winners_.begin(), winners_.end(), &header) != winners_.end();
  }

  void set(std::string_view name, std::string_view value) {
    drop_change(name);
    rewrite_.set.push_back({name, std::string(value)});
  }

  void drop_change(std::string_view name) {
    std::erase_if(rewrite_.set, [&](const EnvironChange& change) { return change.name == name; });
  }

  const TrustedProxies& trusted_;
  const EnvironLookup& find_;
  unsigned touched_ = 0;
  std::array<const Known*, 6> winners_{};  ///< of each category, in the order of its bits
  Rewrite rewrite_;
};

}  // namespace

std::optional<ProxyHeader> proxy_header_named(std::string_view name) noexcept {
  const auto found = std::find_if(std::begin(kKnown), std::end(kKnown), [&](const Known& header) {
    return equals_ignoring_case(header.name, name);
  });
  if (found == std::end(kKnown)) return std::nullopt;
  return static_cast<ProxyHeader>(found - std::begin(kKnown));
}

bool is_header_name(std::string_view name) noexcept {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kOthers.find(c) != kOthers.npos;
  });
}

Rewrite rewrite_for_proxies(const TrustedProxies& trusted, const EnvironLookup& find) {
  return Rewriter(trusted, find).run();
}

}  // namespace wsgix::wsgi
