// SPDX-License-Identifier: Apache-2.0
'use strict';
'require view';
'require form';
'require uci';
'require tools.widgets as widgets';
'require latchkey.api as api';
'require latchkey.page as page';
'require latchkey.grid as grid';
'require latchkey.store as store';
'require latchkey.text as text';
'require latchkey.valid as valid';
'require latchkey.rules as rules';
'require latchkey.reach as reach';
'require latchkey.syntax as syntax';
'require latchkey.ports as ports';
'require latchkey.where as where';
'require latchkey.fields as fields';
'require latchkey.element as element';

const E = element.make;

// The options of section main whose values together may collide with something.
const COLLIDING = [ 'stun_port', 'ports', 'spa_port' ];

// Puts a node of ours below the widget of an option.
function below(option, make) {
	const widget = option.renderWidget;

	option.renderWidget = function(id) {
		return Promise.resolve(widget.apply(this, arguments)).then(function(node) { return E('div', [ node, make(id, node) ]); });
	};
}

// What holds once this is saved: the options that collide, from the fields.
function edited(section, id) {
	return COLLIDING.reduce(function(main, option) {
		main[option] = section.formvalue(id, option) || '';

		return main;
	}, {});
}

function hasClients() {
	return uci.sections('latchkey', 'client').some(function(c) { return c.kind != 'fwknop'; });
}

function doubts(option, main) {
	const saved = syntax.words(uci.get('latchkey', 'main', option)), now = syntax.words(main[option]);
	const out = ports.conflicts(option, main, api.outside().zones, api.around());

	if (option != 'spa_port' && saved.some(function(port) { return port != '0' && now.indexOf(port) < 0; }) && hasClients())
		out.push(_('Clients that are set up know the old ports: show each of them a new code.'));

	return out;
}

// Makes o a field for ports: what they collide with is told while they are typed. check(value) is its validator.
function portField(o, check) {
	const boxes = {};

	o.placeholder = _('off', 'a kind of knocks');
	o.validate = function(id, v) {
		const main = Object.assign(edited(this.section, id), { [o.option]: v || '' });
		const ok = v ? check(v) : true;

		if (boxes[id])
			fields.fill(boxes[id], (ok === true) ? fields.conflictList(doubts(o.option, main)) : []);

		return ok;
	};
	below(o, function(id) {
		return boxes[id] = E('div', { 'class': 'lk', 'role': 'status' }, fields.conflictList(doubts(o.option, uci.get('latchkey', id) || {})));
	});
}

function portOrOff(value) {
	return (value == '0') ? true : valid.port(value);
}

function addName(s, w) {
	const o = s.option(form.Value, 'host', _('Public name of the router'), _('How clients find this router from outside, in every new code: a name, and addresses beside it or instead, with spaces between.'));
	const said = where.verdict(w);

	o.placeholder = 'home.example.net';
	o.cfgvalue = function(id) { return syntax.words(uci.get('latchkey', id, 'host')).join(' '); };
	o.validate = function(id, v) { return valid.hosts(syntax.words(v)); };
	o.write = function(id, v) {
		const names = syntax.words(v);

		uci.set('latchkey', id, 'host', (names.length > 1) ? names : names[0]);
	};
	below(o, function(id, node) {
		const first = function(v) { return reach.publicName(syntax.words(v)); };

		node.addEventListener('change', function() { said.changed(first(o.formvalue(id))); });
		node.addEventListener('input', said.clear);
		said.check(first(uci.get('latchkey', id, 'host')));

		return E('div', { 'class': 'lk' }, [ offered(w, o, said), said.node ]);
	});
}

// A name that dynamic DNS keeps, and that is not taken over yet.
function offered(w, o, said) {
	if (uci.get('latchkey', 'main', 'host') || !w.host)
		return '';

	const take = fields.button(_('Use it'), 'cbi-button-action', function() {
		o.getUIElement('main').setValue(w.host);
		o.getUIElement('main').triggerValidation();
		said.check(w.host);
		take.parentNode.hidden = true;
	});

	return E('p', text.rich(_('Dynamic DNS keeps the name {host}. {button}'), { host: E('code', [ w.host ]), button: take }));
}

function addInterfaces(s, w) {
	const o = s.option(widgets.NetworkSelect, 'interface', _('Knocks come in at'),
		_('Networks that face the Internet. With none chosen it is all those of the firewall’s zone wan, whatever they are called.'));
	const now = api.named().length ? [] : [ text.say(_('Now: {networks}.'), { networks: text.list(api.outside().networks) }) ];

	o.multiple = true;
	o.nocreate = true;
	below(o, function() {
		return E('div', { 'class': 'lk' }, [ now.map(function(n) { return E('p', { 'class': 'lk-terms' }, [ n ]); }),
			fields.conflictList(w.unknown.map(function(name) {
				return text.say(_('There is no network {name}, so no knock can arrive there. Saving this page takes it out.'), { name: name });
			})) ]);
	});
}

function addOthers(s) {
	let o = s.option(form.Value, 'page', _('Address of the knock page'),
		_('For a page that is installed as an app from an https address. Empty is the page of this router.'));
	o.cfgvalue = function(id) { return uci.get('latchkey', id, 'page') || ''; };
	o.validate = function(id, v) { return v ? valid.page(v) : true; };

	o = s.option(form.Value, 'max_skew', _('Clocks may differ by'), _('A message that is older or newer than this is refused, such as 90s or 5m.'));
	o.placeholder = rules.DEFAULTS.maxSkew;
	o.validate = function(id, v) { return v ? valid.maxSkew(v) : true; };

	o = s.option(form.Flag, 'radar', _('Radar'), _('Count what strangers try at closed ports. Nothing is done about it, and nothing is written to flash.'));
	o.default = '1';

	o = s.option(form.ListValue, 'log_level', _('System log'));
	o.default = 'info';
	grid.choice(o, 'debug', _('everything, also each attempt at a sequence'));
	grid.choice(o, 'info', _('what opens, closes and is refused'));
	grid.choice(o, 'warn', _('warnings and errors'));
	grid.choice(o, 'error', _('errors only'));
}

function addSTUN(s) {
	const o = s.option(form.Value, 'stun_port', _('UDP ports of knocks'),
		_('One packet to one of them opens a door. Clients send to all: 443 gets through in networks that let little through. With spaces between; empty switches this kind off.'));

	o.cfgvalue = function(id) { return syntax.words(uci.get('latchkey', id, 'stun_port')).join(' '); };
	o.write = function(id, v) {
		const words = valid.stunWords(v);

		uci.set('latchkey', id, 'stun_port', (words.length > 1) ? words : words[0]);
	};
	portField(o, valid.stunPorts);
}

function renderForm(w) {
	const m = new form.Map('latchkey', _('Settings'), _('What holds for all doors and clients.'));
	const s = m.section(form.NamedSection, 'main', 'latchkey');

	s.anonymous = true;
	s.addremove = false;

	const o = s.option(form.Flag, 'enabled', _('Switched on'), _('Switched off, all doors stay closed and no knock is looked at.'));
	o.default = '0';
	o.rmempty = false;

	addName(s, w);
	addInterfaces(s, w);
	addSTUN(s);
	portField(s.option(form.Value, 'ports', _('TCP ports of knocks'),
		_('For networks that let no UDP through: a span of 6144 ports, such as 20480-26623. Empty switches this kind off.')), valid.span);
	portField(s.option(form.Value, 'spa_port', _('UDP port of fwknop'),
		_('For clients of fwknop; 62201 is what they send to by habit. Empty switches this kind off.')), portOrOff);
	addOthers(s);

	return m.render().then(function(node) {
		node.insertBefore(E('div', { 'class': 'lk' }, [ E('div', { 'class': 'lk-banner' }, [ where.situation(w, reach.forwards({
			main: uci.get('latchkey', 'main') || {}, doors: uci.sections('latchkey', 'door'),
			sequences: uci.sections('latchkey', 'sequence'), ordered: w.ordered })) ]) ]), node.querySelector('.cbi-section'));

		return node;
	});
}

return page.makeView({
	load: function() {
		page.style();
		if (!page.mayWrite())
			return null;

		return uci.load('latchkey').then(function() {
			if (!uci.get('latchkey', 'main'))
				uci.add('latchkey', 'latchkey', 'main');

			return Promise.all([ store.whereabouts(), api.surroundings() ]);
		});
	},

	render: function(loaded) {
		return page.mayWrite() ? renderForm(loaded[0])
			: page.onlyOwners(_('Settings'), _('Only accounts that may change the settings can see them.'));
	},

	handleSave: page.mayWrite() ? view.prototype.handleSave : null,
	handleSaveApply: page.mayWrite() ? function(ev, mode) { return page.checkedApply(this, ev, mode); } : null,
	handleReset: page.mayWrite() ? view.prototype.handleReset : null
});
