// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.valid as valid';
'require latchkey.reach as reach';
'require latchkey.fields as fields';
'require latchkey.element as element';

// How clients find this router from outside, as page elements: the name with its check, the address that
// may change, the router in front. Needs only the DOM; what is asked of the router is handed in.
//
// w, as the module api makes it: { host, addresses, situation, own, isFixed, ordered, ddns: { url,
// isInstalled }, resolve(host) -> promise of { addresses } or { error } }

const E = element.make;

const MARKS = { good: '✓', warn: '!', bad: '✗' };

// One fact as a box: { level, text, todo }, and nodes below it.
function fact(f, more) {
	return E('div', { 'class': 'lk-fact lk-' + f.level }, [
		E('span', { 'class': 'lk-mark', 'aria-hidden': 'true' }, [ MARKS[f.level] ]),
		E('div', [ E('strong', [ f.text ]), f.todo ? E('div', { 'class': 'lk-todo' }, [ f.todo ]) : '' ].concat(more || []))
	]);
}

// The ports that a router in front has to forward, as a table.
function forwardTable(rows) {
	return E('table', { 'class': 'lk-ports' }, [
		E('thead', [ E('tr', [ E('th', { 'scope': 'col' }, [ _('Protocol') ]), E('th', { 'scope': 'col' }, [ _('Ports') ]), E('th', { 'scope': 'col' }, [ _('For') ]) ]) ]),
		E('tbody', rows.map(function(r) {
			return E('tr', [ E('td', [ r.proto ]), E('td', [ E('code', [ r.ports ]) ]), E('td', [ r.what ]) ]);
		}))
	]);
}

// The router's situation; behind another router with what that one has to forward. rows as reach.forwards.
function situation(w, rows) {
	return fact(reach.describe(w.situation), (w.situation.id == 'behind') ? [ forwardTable(rows) ] : []);
}

// The remedy for an address that may change, one click away.
function remedy(ddns) {
	if (ddns.isInstalled)
		return E('a', { 'href': ddns.url, 'target': '_blank', 'rel': 'noopener' }, [ _('Set up a name (Dynamic DNS)') ]);

	return E('span', text.rich(_('The package {package} gives this router a name: {place}.'), {
		package: E('code', [ 'luci-app-ddns' ]),
		place: ddns.url ? E('a', { 'href': ddns.url, 'target': '_blank', 'rel': 'noopener' }, [ _('System › Software') ]) : _('System › Software')
	}));
}

// Addresses of a link that may change one day; nothing if it has a name, or they are fixed.
function changing(w, host) {
	if (host || w.isFixed || !w.addresses.length)
		return '';

	return E('div', { 'class': 'lk-changing' }, [ fact({
		level: 'warn',
		text: text.say(_('Only the address {addresses} leads to this router, and your provider may change it.'), { addresses: text.list(w.addresses) }),
		todo: _('Then every client needs a new code. A name stays.')
	}, [ E('div', { 'class': 'lk-remedy' }, [ remedy(w.ddns) ]) ]) ]);
}

function hint(w) {
	if (w.addresses.length)
		return text.say(_('Such as home.example.net. Leave it empty to use {addresses}.'), { addresses: text.list(w.addresses) });

	return _('The name or address under which the Internet reaches this router, such as home.example.net.');
}

// Milliseconds after which what is below a field may move: who leaves it by pressing a button there has to
// meet it.
const PRESS = 400;

// A place that says where a name leads: { node, check(name), changed(name), clear() }.
function verdict(w) {
	const node = E('div', { 'class': 'lk-verdict', 'role': 'status' });
	let latest = 0;

	const self = {
		node: node,
		changed: function(name) {
			const number = ++latest;

			window.setTimeout(function() {
				if (number == latest && node.isConnected)
					self.check(name);
			}, PRESS);
		},
		clear: function() {
			latest++;
			fields.fill(node, []);
		},
		check: function(name) {
			const number = ++latest;

			if (name == '' || valid.host(name) !== true || reach.isAddress(name))
				return fields.fill(node, [ changing(w, name) ].filter(Boolean));
			fields.fill(node, [ E('p', { 'class': 'lk-todo spinning' }, [ text.say(_('Looking {host} up…'), { host: name }) ]) ]);
			w.resolve(name).catch(function(err) { return { error: err.message || String(err) }; }).then(function(answer) {
				if (number == latest)
					fields.fill(node, [ fact(reach.judge(name, answer, w.situation, w.own)) ]);
			});
		}
	};

	return self;
}

// The field for the router's name, which says where the name leads: { host, rows, problem() }. host is the
// input, problem() is { control, text } or null.
function nameField(w) {
	const host = fields.input({ 'value': w.host, 'placeholder': w.addresses[0] || 'home.example.net', 'spellcheck': 'false', 'autocapitalize': 'off' });
	const said = verdict(w);

	host.addEventListener('change', function() { said.changed(fields.value(host)); });
	host.addEventListener('input', said.clear);
	said.check(fields.value(host));

	return {
		host: host,
		rows: [ fields.field(_('Public name of the router'), host, hint(w)), said.node ],
		problem: function() {
			const name = fields.value(host);

			if (name)
				return (valid.host(name) === true) ? null : { control: host, text: valid.host(name) };

			return w.addresses.length ? null : { control: host, text: _('Without a name or an address no client can find the router.') };
		}
	};
}

// Whereabouts with what the owner typed. A typed address goes where addresses go.
function withHost(w, host) {
	return Object.assign({}, w, reach.isAddress(host) ? { host: '', addresses: [ host ], isFixed: true } : { host: host });
}

return baseclass.extend({
	fact: fact,
	forwardTable: forwardTable,
	situation: situation,
	hint: hint,
	verdict: verdict,
	changing: changing,
	nameField: nameField,
	withHost: withHost
});
