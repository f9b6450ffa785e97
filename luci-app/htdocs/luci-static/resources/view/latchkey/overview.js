// SPDX-License-Identifier: Apache-2.0
'use strict';
'require poll';
'require ui';
'require uci';
'require latchkey.api as api';
'require latchkey.page as page';
'require latchkey.store as store';
'require latchkey.text as text';
'require latchkey.valid as valid';
'require latchkey.rules as rules';
'require latchkey.door as door';
'require latchkey.event as event';
'require latchkey.status as status';
'require latchkey.eventlist as eventlist';
'require latchkey.past as past';
'require latchkey.wizard as wizard';
'require latchkey.element as element';

const E = element.make;

const POLL = 3;          // seconds between two looks at the daemon
const LAST_KNOCKS = 8;   // events on this page; the tab Events has them all

function setUp() {
	return store.open(_('Set up a door and a client'), wizard.firstUse);
}

// What was asked for takes a moment: until then the daemon counts as starting.
function started() {
	downSince = Date.now();

	return refresh();
}

function switchOn() {
	return store.save({ main: { enabled: '1' } }).then(started, page.failed);
}

function restart() {
	return api.restart().then(started, page.failed);
}

function actionButton(action) {
	if (!page.mayWrite())
		return null;

	return E('button', { 'class': 'btn cbi-button cbi-button-apply', 'data-key': action,
		'click': ui.createHandlerFn(this, (action == 'enable') ? switchOn : restart) },
	[ (action == 'enable') ? _('Switch on') : _('Start again') ]);
}

function welcome() {
	return E('section', { 'class': 'lk-welcome', 'aria-label': _('Welcome') }, [
		E('h3', [ _('A door that only you can see') ]),
		E('p', [ _('A service at home, such as SSH, stays invisible from the Internet: nothing answers, nothing can be attacked.') ]),
		E('p', [ _('Your phone or laptop knocks with a secret key; then the door is open for its address only, for a short time, and closes by itself.') ]),
		E('p', [ _('To begin, choose a door and scan a code with your phone.') ]),
		page.mayWrite()
			? [ E('button', { 'class': 'btn cbi-button cbi-button-action important', 'data-key': 'welcome', 'click': setUp }, [ _('Set up the first door') ]),
				E('p', [ E('button', { 'class': 'btn cbi-button cbi-button-neutral', 'data-key': 'import', 'click': store.importFile }, [ _('Import from knockd or fwknop…') ]) ]) ]
			: E('p', { 'class': 'lk-empty' }, [ _('Your account may look at Latchkey, but not set it up.') ])
	]);
}

// Nothing is set up. Where nobody answers, that is not known.
function isEmpty(data) {
	return data.status.running != null && !(data.status.doors || []).length && !uci.sections('latchkey', 'door').length;
}

// Times that may be asked for: the door's own, the usual ones, its most.
function timeChoices(d) {
	const all = [ d.open_for, 600, 3600, 28800, d.max_open ].filter(function(s, i, list) {
		return s <= d.max_open && list.indexOf(s) == i;
	}).sort(function(a, b) { return a - b; });

	return all.map(function(s) {
		return E('option', { 'value': s + 's', 'selected': (s == d.open_for) ? '' : null }, [ text.duration(s) ]);
	});
}

// Addresses seen lately, to choose from: of a network that was let in, nobody knows which.
function knownAddresses(data) {
	return data.events.map(function(e) { return e.address; }).filter(function(a, i, all) {
		return a && a.indexOf('/') < 0 && all.indexOf(a) == i;
	}).reverse().slice(0, 10);
}

function openDialog(data, d) {
	const address = E('input', { 'id': 'lk-open-address', 'type': 'text', 'class': 'cbi-input-text', 'list': 'lk-open-known',
		'placeholder': '203.0.113.7', 'autocomplete': 'off', 'spellcheck': 'false' });
	const time = E('select', { 'id': 'lk-open-for', 'class': 'cbi-input-select' }, timeChoices(d));
	const error = E('p', { 'class': 'lk-error', 'role': 'alert' });

	page.dialog(text.say(_('Open {door} for an address'), { door: d.title || d.name }), [
		E('div', { 'class': 'cbi-value' }, [
			E('label', { 'class': 'cbi-value-title', 'for': 'lk-open-address' }, [ _('Address') ]),
			E('div', { 'class': 'cbi-value-field' }, [ address,
				E('datalist', { 'id': 'lk-open-known' }, knownAddresses(data).map(function(a) { return E('option', { 'value': a }); })),
				E('div', { 'class': 'cbi-value-description' }, [ _('The address from which somebody will connect, as the Internet sees it.') ]) ])
		]),
		E('div', { 'class': 'cbi-value' }, [
			E('label', { 'class': 'cbi-value-title', 'for': 'lk-open-for' }, [ _('For') ]),
			E('div', { 'class': 'cbi-value-field' }, [ time ])
		]),
		error,
		page.buttons([
			[ _('Cancel'), '', ui.hideModal ],
			[ _('Open'), 'cbi-button-action important', ui.createHandlerFn(this, function() {
				return api.open(d.name, address.value.trim(), time.value).then(function() {
					ui.hideModal();

					return refresh();
				}, function(err) {
					element.say(error, err.message);
				});
			}) ]
		])
	]);
}

// What ends sessions is named where it is missing.
function cutNote(data, d) {
	if (data.status.cut)
		return text.say(_('The router cannot do this yet: {problem}'), { problem: data.status.cut });

	return d.cut ? _('This door does so by itself (option “End connections”).') : '';
}

// Without a grant the door closes for everybody.
function closeDialog(data, d, grant) {
	const cut = E('input', { 'id': 'lk-close-cut', 'type': 'checkbox', 'checked': (d.cut && !data.status.cut) ? '' : null,
		'disabled': (d.cut || data.status.cut) ? '' : null });
	const error = E('p', { 'class': 'lk-error', 'role': 'alert' });

	const named = { door: d.title || d.name, address: grant ? grant.address : '', n: status.openFor(d) };

	page.dialog(text.say(grant ? _('Close {door} for {address}') : _('Close {door} for all {n} addresses'), named), [
		E('div', { 'class': 'cbi-value' }, [
			E('label', { 'class': 'cbi-value-title', 'for': 'lk-close-cut' }, [ _('End open connections') ]),
			E('div', { 'class': 'cbi-value-field' }, [ cut,
				E('div', { 'class': 'cbi-value-description' }, [ _('Without it, only new connections are kept out.') + ' ' + cutNote(data, d) ]) ])
		]),
		error,
		page.buttons([
			[ _('Cancel'), '', ui.hideModal ],
			[ _('Close'), 'cbi-button-negative important', ui.createHandlerFn(this, function() {
				return api.close(d.name, named.address, cut.checked).then(function() {
					ui.hideModal();

					return refresh();
				}, function(err) {
					element.say(error, err.message);

					return refresh();
				});
			}) ]
		])
	]);
}

let hosts = [];
let latest = null; // what the router said last: a card that stays was drawn with something older
const drawn = status.drawn();

function hostName(address) {
	return (hosts.find(function(h) { return h.ip4 == address; }) || {}).name;
}

// What a door leads to, where the configuration may be read.
function about(d) {
	const section = uci.get('latchkey', d.name);

	return section ? door.sentence(section, hostName) : '';
}

// What doors and knocks did; what the system did stands under Events.
function knocks(events) {
	return events.filter(function(e) { return [ 'system', 'scan' ].indexOf(event.group(e)) < 0; }).slice(-LAST_KNOCKS);
}

// While the daemon is off, the doors as they are configured, all of them closed; while it does not
// answer, not known.
function withDoors(answer) {
	if (answer.running || (answer.doors || []).length)
		return answer;

	return Object.assign({}, answer, { doors: uci.sections('latchkey', 'door').map(function(s) {
		const own = valid.seconds(s.open_for || rules.DEFAULTS.openFor) || 0;

		return { name: s['.name'], title: s.title, open_for: own,
			state: (s.enabled == '0') ? 'disabled' : (answer.running == null) ? 'unknown' : 'stopped',
			max_open: Math.max(own, valid.seconds(s.max_open || rules.DEFAULTS.maxOpen) || 0), grants: [] };
	}) });
}

// Seconds for which the daemon has not run, as far as this page saw.
let downSince = null;

function waited(data) {
	downSince = data.status.running ? null : downSince || data.at;

	return data.status.running ? 0 : (data.at - downSince) / 1000;
}

function body(data) {
	const writer = page.mayWrite();
	const ctx = {
		names: status.names(data.status),
		at: data.at,
		drawn: drawn,
		about: about,
		open: writer ? function(ev, d) { openDialog(latest, d); } : null,
		close: writer ? function(ev, d, grant) { closeDialog(latest, d, grant); } : null
	};

	const answer = withDoors(data.status);

	// A new installation is switched off because nothing is set up: the welcome says what to do about it.
	const isFresh = isEmpty(data) && data.status.running === false && !data.status.enabled;

	return [
		isFresh ? '' : status.banner(data.status, actionButton, waited(data)),
		isEmpty(data) ? welcome() : (answer.running == null && !(answer.doors || []).length) ? '' : E('section', [
			E('div', { 'class': 'lk-head' }, [ E('h3', [ _('Doors') ]),
				writer ? E('button', { 'class': 'btn cbi-button cbi-button-add', 'data-key': 'setup', 'click': setUp }, [ _('Set up another door…') ]) : '' ]),
			status.doorCards(answer, ctx)
		])
	].filter(function(n) { return n != ''; });
}

// What happened lately, while the daemon is there to tell.
function lately(data) {
	return !data.status.running || isEmpty(data) ? [] : [
		E('section', [
			E('div', { 'class': 'lk-head' }, [ E('h3', [ _('Last knocks') ]),
				E('a', { 'href': L.url('admin/services/latchkey/events') }, [ _('All events') ]) ]),
			eventlist.list(knocks(data.events), { names: status.names(data.status), now: data.status.now || data.at,
				unset: status.isUnset(data.status), empty: _('Nobody has knocked yet.'), level: 'h4' })
		])
	];
}

const ask = api.follow();
const picture = past.panel();
let root = null, tail = null, seen = null;

// Draws what changed; what only counts down is moved by tick.
function draw(data) {
	latest = data;

	const print = status.fingerprint(data.status, data.events, waited(data)) + new Date(data.status.now || data.at).toDateString();

	if (print != seen) {
		status.replace(root, function() { return body(data); });
		status.replace(tail, lately(data));
	}
	seen = print;
	picture.node.hidden = !data.status.running || isEmpty(data);
	if (!picture.node.hidden)
		picture.update(data.status, data.events, Date.parse(data.status.now));
}

// What status says is for every account, so it leaves out the steps of sequences; the owner gets the
// whole words. They are asked for again when the others change.
let told = { public: '', whole: '' };

function withWholeWords(answer) {
	const said = answer.problem || answer.reason || '';
	const option = answer.problem ? 'problem' : 'reason';

	if (!page.mayWrite() || said == '')
		return Promise.resolve(answer);

	return ((said == told.public) ? Promise.resolve() : api.check().then(function(problems) {
		told = { public: said, whole: problems.filter(function(p) { return !p.warning; }).map(function(p) { return p.text; }).join('\n') };
	})).then(function() {
		return Object.assign({}, answer, { [option]: told.whole || said });
	}, function() { return answer; });
}

function fetchData() {
	return ask().then(function(data) {
		return withWholeWords(data.status).then(function(answer) { return Object.assign(data, { status: answer }); });
	});
}

function refresh() {
	return fetchData().then(draw);
}

return page.makeView({
	load: function() {
		page.style();

		return Promise.all([ fetchData(), page.mayWrite() ? api.hosts() : [], page.mayWrite() ? api.tryLoad('latchkey') : false ]);
	},

	render: function(loaded) {
		hosts = loaded[1];
		root = E('div');
		tail = E('div');
		draw(loaded[0]);
		poll.add(refresh, POLL);
		window.setInterval(function() { status.tick(root, Date.now()); }, 1000);

		return E('div', { 'class': 'lk' }, [
			E('h2', [ _('Latchkey') ]),
			E('div', { 'class': 'cbi-map-descr' }, [ _('Doors that open for your clients only, after they knocked.') ]),
			root, picture.node, tail
		]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
