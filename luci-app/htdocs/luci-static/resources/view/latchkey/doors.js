// SPDX-License-Identifier: Apache-2.0
'use strict';
'require view';
'require form';
'require uci';
'require poll';
'require latchkey.api as api';
'require latchkey.page as page';
'require latchkey.grid as grid';
'require latchkey.store as store';
'require latchkey.text as text';
'require latchkey.valid as valid';
'require latchkey.rules as rules';
'require latchkey.door as door';
'require latchkey.rows as rows';
'require latchkey.fields as fields';
'require latchkey.wizard as wizard';
'require latchkey.status as status';
'require latchkey.element as element';

const E = element.make;

const POLL = 3; // seconds between two looks at the daemon

// The fields of the editor whose values together may collide with something.
const COLLIDING = [ 'src', 'proto', 'port', 'dest_ip', 'dest_ip6', 'dest_port' ];

function titleOf(id) {
	return uci.get('latchkey', id, 'title') || id;
}

function hostNamer(hosts) {
	return function(address) {
		const h = hosts.find(function(x) { return x.ip4 == address; });

		return h ? h.name : '';
	};
}

// The door as it stands in the editor's fields.
function edited(section, id) {
	return COLLIDING.reduce(function(d, option) {
		d[option] = section.formvalue(id, option) || '';

		return d;
	}, { '.name': id });
}

function conflictBox(id) {
	return document.getElementById('lk-conflicts-' + id);
}

// Runs with each keystroke, as part of validation.
function showConflicts(section, id) {
	const box = conflictBox(id);

	if (!box)
		return;
	while (box.firstChild)
		box.removeChild(box.firstChild);
	fields.conflictList(door.conflicts(edited(section, id), api.around())).forEach(function(n) { box.appendChild(n); });
}

function addGeneral(s, hosts) {
	let o = s.taboption('general', form.Value, 'title', _('Title'), _('What you call it.'));
	o.modalonly = true;
	o.validate = function(id, v) { return valid.title(v || ''); };

	o = s.taboption('general', form.Value, 'dest_ip', _('Leads to'), _('The host in your network, or nothing for the router itself.'));
	o.modalonly = true;
	o.datatype = 'ip4addr("nomask")';
	o.placeholder = _('This router');
	hosts.forEach(function(h) { grid.choice(o, h.ip4, wizard.hostTitle(h)); });
	o.write = function(id, v) {
		const host = hosts.find(function(h) { return h.ip4 == v; });

		uci.set('latchkey', id, 'dest_ip', v);
		if (!uci.get('latchkey', id, 'dest'))
			uci.set('latchkey', id, 'dest', host ? host.zone : 'lan');
	};
	o.remove = function(id) {
		uci.unset('latchkey', id, 'dest_ip');
		if (!uci.get('latchkey', id, 'dest_ip6'))
			[ 'dest', 'dest_port', 'wake' ].forEach(function(x) { uci.unset('latchkey', id, x); });
	};

	o = s.taboption('general', form.MultiValue, 'proto', _('Protocol'));
	o.modalonly = true;
	o.value('tcp', 'TCP');
	o.value('udp', 'UDP');
	o.default = 'tcp';
	o.rmempty = false;

	addPorts(s);
	addTimes(s);
	addCut(s);

	o = s.taboption('general', form.DummyValue, '_conflicts', '\u00a0');
	o.modalonly = true;
	o.renderWidget = function(id) {
		return E('div', { 'id': 'lk-conflicts-' + id, 'class': 'lk', 'role': 'status' },
			fields.conflictList(door.conflicts(Object.assign({}, uci.get('latchkey', id)), api.around())));
	};
	o.write = o.remove = function() {};
}

function addPorts(s) {
	let o = s.taboption('general', form.Value, 'port', _('Ports outside'),
		_('What you use from the Internet: one port, or several such as 22 60000-61000/udp. Clients connect to the first.'));
	o.modalonly = true;
	o.rmempty = false;
	asList(o);
	o.validate = function(id, v) {
		const ok = valid.doorPorts(v || '', this.section.formvalue(id, 'proto'));

		if (ok !== true)
			return ok;
		showConflicts(this.section, id);

		return valid.doorPort(edited(this.section, id), api.around().main);
	};

	o = s.taboption('general', form.Value, 'dest_port', _('Ports inside'),
		_('Those of the service on that host, as many and in the same order; empty means the same as outside.'));
	o.modalonly = true;
	asList(o);
	o.validate = function(id, v) {
		showConflicts(this.section, id);
		if (!v)
			return true;
		if (!this.section.formvalue(id, 'dest_ip') && !this.section.formvalue(id, 'dest_ip6'))
			return _('On the router itself, the ports inside and outside are the same.');

		return valid.insidePorts(v, this.section.formvalue(id, 'port') || '');
	};
}

// A field for a list whose entries have no spaces in them.
function asList(o) {
	o.cfgvalue = function(id) { return [].concat(uci.get('latchkey', id, this.option) || []).join(' '); };
	o.write = function(id, v) {
		const words = v.split(/\s+/).filter(Boolean);

		uci.set('latchkey', id, this.option, words.length > 1 ? words : words[0]);
	};
}

function addTimes(s) {
	let o = s.taboption('general', form.Value, 'open_for', _('Stays open for'),
		_('For new connections, such as 30s, 10m or 8h. One that is open already lives on, unless you tick “End connections”.'));
	o.modalonly = true;
	o.placeholder = rules.DEFAULTS.openFor;
	o.validate = function(id, v) { return v ? valid.openFor(v) : true; };

	o = s.taboption('general', form.Value, 'max_open', _('At most'), _('The longest time that a knock may ask for.'));
	o.modalonly = true;
	o.placeholder = rules.DEFAULTS.maxOpen;
	o.validate = function(id, v) {
		return v ? valid.maxOpen(v, this.section.formvalue(id, 'open_for') || rules.DEFAULTS.openFor) : true;
	};
}

// The zones of the firewall, and those that doors name, in order. LuCI's own widget for zones reads
// their names as HTML.
function zoneNames() {
	const doors = uci.sections('latchkey', 'door');
	const zones = api.sections('firewall').filter(function(s) { return s['.type'] == 'zone'; });

	return [ 'wan', 'lan' ].concat(zones.map(function(z) { return z.name; }), doors.map(function(d) { return d.src; }),
		doors.map(function(d) { return d.dest; })).filter(function(name, i, all) { return name && all.indexOf(name) == i; }).sort();
}

function addAdvanced(s) {
	let o = s.taboption('advanced', form.ListValue, 'src', _('From zone'), _('The side of the firewall from which the opened address connects. A knock opens the door on whichever side it arrives.'));
	o.modalonly = true;
	o.default = 'wan';
	zoneNames().forEach(function(name) { grid.choice(o, name, name); });

	o = s.taboption('advanced', form.ListValue, 'dest', _('Zone of the host'));
	o.modalonly = true;
	o.optional = true;
	grid.choice(o, '', '–');
	zoneNames().forEach(function(name) { grid.choice(o, name, name); });

	o = s.taboption('advanced', form.Value, 'dest_ip6', _('IPv6 address of the host'),
		_('Whole, or only its end such as ::22, which follows your provider’s changing prefix.'));
	o.modalonly = true;
	o.validate = function(id, v) { return v ? valid.ip6(v) : true; };
	o.write = function(id, v) {
		uci.set('latchkey', id, 'dest_ip6', v);
		if (!uci.get('latchkey', id, 'dest'))
			uci.set('latchkey', id, 'dest', 'lan');
	};

	o = s.taboption('advanced', form.Flag, 'reflection', _('At home, too'),
		_('From the zone of the host, the router’s public name leads to it without a knock, so that one address serves at home and away. All other zones, such as one for guests, stay outside.'));
	o.modalonly = true;
	o.default = o.enabled;
	o.depends({ dest: '', '!reverse': true });

	o = s.taboption('advanced', form.ListValue, 'service', _('Service'), _('What is behind the door: the knock page then offers to connect to it.'));
	o.modalonly = true;
	o.optional = true;
	grid.choice(o, '', _('By its port'));
	rules.SERVICES.forEach(function(word) { grid.choice(o, word, word); });
	grid.choice(o, 'none', _('Say nothing'));

	width(s.taboption('advanced', form.Value, 'width4', _('Who gets in over IPv4'),
		_('With 24, a knock lets in all 256 addresses around the one that knocked, whoever has them: for phones whose provider changes their address between knock and connection.')),
	rules.WIDTH4, valid.width4, _('Only the address that knocked (32)'), '24', _('All 256 addresses around it (24)'));
	width(s.taboption('advanced', form.Value, 'width6', _('Who gets in over IPv6'),
		_('With 64, a knock lets in the whole network of the address that knocked, usually one phone or household: devices change their address in it by themselves.')),
	rules.WIDTH6, valid.width6, _('Only the address that knocked (128)'), '64', _('Its network (64)'));

	o = s.taboption('advanced', form.Value, 'wake', _('Wake the host'), _('Its hardware address: a knock then also wakes it up (Wake-on-LAN).'));
	o.modalonly = true;
	o.datatype = 'macaddr';
}

// A field for how many bits of an address count: all, by default, or as many as most networks have.
function width(o, limits, check, one, usual, network) {
	o.modalonly = true;
	o.default = String(limits[1]);
	grid.choice(o, o.default, one);
	grid.choice(o, usual, network);
	o.validate = function(id, v) { return v ? check(v) : true; };
}

function addCut(s) {
	const o = s.taboption('general', form.Flag, 'cut', _('End connections'),
		_('When the door closes, end the connections that are open, too. This takes the package kmod-nf-conntrack-netlink.'));
	o.modalonly = true;
	o.default = '0';
}

// What the rows of one drawing ask for each, which takes long where there are many: what doors may collide with, and
// who opens which.
let asked = null;

function once() {
	if (!asked) {
		asked = { around: api.around(), openers: { client: openers('client'), sequence: openers('sequence') } };
		window.setTimeout(function() { asked = null; });
	}

	return asked;
}

// Sections of a type that open doors, by the doors' names.
function openers(type) {
	const out = new Map();

	uci.sections('latchkey', type).forEach(function(s) {
		new Set([].concat(s.door || []).join(' ').split(' ')).forEach(function(name) {
			if (!out.has(name))
				out.set(name, []);
			out.get(name).push(s);
		});
	});

	return out;
}

// The cells that say whether doors are open, of all rows that are drawn now.
let states = null;

function stateCell(id) {
	return E('div', { 'class': 'lk', 'data-state-of': id }, [ status.doorState(states.status, id, states.at) ]);
}

function watchStates(root) {
	poll.add(function() {
		return api.status().then(function(answer) {
			const before = status.fingerprint(states.status), isNew = status.fingerprint(answer) != before;

			states = { status: answer, at: Date.now() };
			if (isNew)
				root.querySelectorAll('[data-state-of]').forEach(function(cell) {
					status.replace(cell, [ status.doorState(answer, cell.getAttribute('data-state-of'), states.at) ]);
				});
		});
	}, POLL);
	window.setInterval(function() { status.tick(root, Date.now()); }, 1000);
}

function addColumns(s, namer) {
	grid.column(s, 'title', _('Name'), titleOf);
	grid.column(s, '_state', _('State'), stateCell);
	grid.column(s, '_what', _('Leads to'), function(id) {
		return rows.doorRow(uci.get('latchkey', id), namer, door.conflicts(uci.get('latchkey', id), once().around));
	});
	grid.column(s, '_who', _('For whom'), function(id) {
		const who = once().openers;

		return rows.openersRow(who.client.get(id) || [], who.sequence.get(id) || []);
	});
	grid.column(s, '_time', _('How long'), function(id) { return rows.timeRow(uci.get('latchkey', id)); });

	const o = s.option(form.Flag, 'enabled', _('Enable'));
	o.modalonly = false;
	o.editable = true;
	o.default = '1';
	o.rmempty = false;
}

function renderForm(hosts) {
	const m = new form.Map('latchkey', _('Doors'),
		_('A door is a service that opens for one address after a knock: on this router, or on a host in your network.'));
	const s = grid.table(m, 'door', function(id) { return text.say(_('Door “{name}”'), { name: titleOf(id) }); });

	s.addremove = true;
	s.sortable = true;
	s.anonymous = true;
	s.nodescriptions = true;
	s.addbtntitle = _('Add a door…');
	s.tab('general', _('General Settings'));
	s.tab('advanced', _('Advanced Settings'));
	s.renderSectionPlaceholder = function() {
		return E('em', [ _('There is no door yet.') ]);
	};
	s.handleAdd = function() {
		return store.open(_('Add a door'), wizard.newDoor);
	};
	s.handleRemove = function(id, ev) {
		store.dropDoor(id);

		return this.super('handleRemove', [ id, ev ]);
	};
	addColumns(s, hostNamer(hosts));
	addGeneral(s, hosts);
	addAdvanced(s);

	return m.render().then(function(node) {
		watchStates(node);

		return node;
	});
}

// What an account sees that may only look: states, no settings.
function renderLook(data) {
	return E('div', { 'class': 'lk' }, [ E('h2', [ _('Doors') ]),
		status.doorCards(data, { names: status.names(data), at: Date.now() }) ]);
}

return page.makeView({
	load: function() {
		page.style();
		if (!page.mayWrite())
			return api.status();

		return uci.load('latchkey').then(function() {
			return Promise.all([ api.status(), api.hosts(), api.surroundings() ]);
		});
	},

	render: function(loaded) {
		if (!page.mayWrite())
			return renderLook(loaded);

		states = { status: loaded[0], at: Date.now() };

		return renderForm(loaded[1]);
	},

	handleSave: page.mayWrite() ? view.prototype.handleSave : null,
	handleSaveApply: page.mayWrite() ? function(ev, mode) { return page.checkedApply(this, ev, mode); } : null,
	handleReset: page.mayWrite() ? view.prototype.handleReset : null
});
