// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require uci';
'require ui';
'require uqr';
'require latchkey.api as api';
'require latchkey.page as page';
'require latchkey.importer as importer';
'require latchkey.reach as reach';
'require latchkey.syntax as syntax';

// Writes what the dialogs decided into UCI, and gathers what they need to know. Thin.

// null takes an option away, undefined leaves it.
function setAll(section, options) {
	Object.keys(options).forEach(function(k) {
		if (k.charAt(0) != '.' && options[k] === null)
			uci.unset('latchkey', section, k);
		else if (k.charAt(0) != '.' && options[k] !== undefined)
			uci.set('latchkey', section, k, options[k]);
	});
}

function setHost(typed) {
	const hosts = syntax.words(uci.get('latchkey', 'main', 'host'));
	const after = reach.withName(hosts, typed);

	if (after.join(' ') != hosts.join(' '))
		setAll('main', { host: (after.length > 1) ? after : after[0] || null });
}

// A second try after a failed one finds the section there.
function addSection(type, section) {
	if (!uci.get('latchkey', section['.name']))
		uci.add('latchkey', type, section['.name']);
	setAll(section['.name'], section);
}

// Answers: { main, door, client, keys, openers, host, reserve }, each of them optional; openers are the
// clients that get the new door too, host is the router's public name, reserve an address of DHCP that
// its host is to keep. Saves and applies with rollback.
function save(answers) {
	if (!uci.get('latchkey', 'main'))
		uci.add('latchkey', 'latchkey', 'main');
	if (answers.main)
		setAll('main', answers.main);
	if (answers.door)
		addSection('door', answers.door);
	if (answers.client)
		addSection('client', answers.client);
	if (answers.keys) {
		setAll(answers.keys.client, { key: answers.keys.key, hmac_key: answers.keys.hmac_key });
		uci.unset('latchkey', answers.keys.client, 'key_text');
		uci.unset('latchkey', answers.keys.client, 'hmac_key_text');
	}
	(answers.openers || []).forEach(function(name) {
		const has = [].concat(uci.get('latchkey', name, 'door') || []);

		if (has.indexOf(answers.door['.name']) < 0)
			uci.set('latchkey', name, 'door', has.concat(answers.door['.name']));
	});
	if (answers.host != null)
		setHost(answers.host);

	return (answers.reserve ? api.reserve(answers.reserve) : Promise.resolve()).then(api.apply);
}

// A door that goes must go from the lists of those who may open it: the daemon refuses names of nothing.
function dropDoor(name) {
	uci.sections('latchkey').forEach(function(s) {
		const doors = [].concat(s.door || []).join(' ').split(' ').filter(Boolean);

		if (doors.indexOf(name) < 0)
			return;

		const rest = doors.filter(function(d) { return d != name; });

		if (rest.length)
			uci.set('latchkey', s['.name'], 'door', rest);
		else
			uci.unset('latchkey', s['.name'], 'door');
	});
}

function dropClient(name) {
	uci.sections('latchkey', 'sequence').forEach(function(s) {
		if (s.client == name)
			uci.unset('latchkey', s['.name'], 'client');
	});
}

function names() {
	return uci.sections('latchkey').map(function(s) { return s['.name']; });
}

// Where names of dynamic DNS are set up: { url, isInstalled }. Without its page, url is that of the packages.
function ddns() {
	return ui.menu.load().then(function(menu) {
		const find = function(path) {
			return path.split('/').reduce(function(node, name) { return node && (node.children || {})[name]; }, menu);
		};
		const page = find('admin/services/ddns');
		const packages = [ 'package-manager', 'opkg' ].find(function(name) { return find('admin/system/' + name); });

		return { isInstalled: !!page, url: page ? L.url('admin/services/ddns') : packages ? L.url('admin/system', packages) : '' };
	}).catch(function() { return { isInstalled: false, url: '' }; });
}

function whereabouts() {
	return Promise.all([ api.whereabouts(), ddns() ]).then(function(data) { return Object.assign(data[0], { ddns: data[1] }); });
}

// What the dialogs of wizard.js are given.
function context() {
	return Promise.all([ api.hosts(), whereabouts(), api.surroundings(), api.leases() ]).then(function(data) {
		return {
			hosts: data[0],
			where: data[1],
			around: data[2],
			leases: data[3],
			zone: api.outside().zone,
			zones: api.outside().zones,
			clients: uci.sections('latchkey', 'client'),
			taken: names(),
			main: uci.get('latchkey', 'main') || {},
			qr: uqr.renderSVG,
			save: save,
			offer: api.offer,
			link: api.link,
			close: function() {
				ui.hideModal();
				window.location.reload();
			}
		};
	});
}

// Opens a dialog of wizard.js: make(ctx) returns its content.
function open(title, make) {
	return context().then(function(ctx) {
		page.dialog(title, [ make(ctx) ]);
	}).catch(page.failed);
}

function errorsOf(problems) {
	return problems.filter(function(p) { return !p.warning; });
}

// Takes sections into the configuration, and options of main that are not set yet. What the daemon would
// refuse with them is taken out again: a router must not start without its doors the next time.
function takeOver(sections, main) {
	const added = Object.keys(main).filter(function(k) { return !uci.get('latchkey', 'main', k); });

	if (!uci.get('latchkey', 'main'))
		uci.add('latchkey', 'latchkey', 'main');

	return api.check().then(function(before) {
		added.forEach(function(k) { uci.set('latchkey', 'main', k, main[k]); });
		sections.forEach(function(s) {
			uci.add('latchkey', s.type, s.name);
			Object.keys(s.options).forEach(function(k) { uci.set('latchkey', s.name, k, s.options[k]); });
		});

		return uci.save().then(api.check).then(function(after) {
			const wrong = errorsOf(after);

			if (wrong.length <= errorsOf(before).length)
				return window.location.reload();
			added.forEach(function(k) { uci.unset('latchkey', 'main', k); });
			sections.forEach(function(s) { uci.remove('latchkey', s.name); });

			return uci.save().then(function() { throw new Error(wrong[0].text); });
		});
	});
}

// Opens the dialog that imports a configuration of knockd or fwknop.
function importFile() {
	page.dialog(_('Import from knockd or fwknop'), [ importer.panel({
		translate: api.importText,
		taken: names(),
		take: takeOver,
		cancel: ui.hideModal
	}) ]);
}

return baseclass.extend({
	save: save,
	importFile: importFile,
	dropDoor: dropDoor,
	dropClient: dropClient,
	whereabouts: whereabouts,
	open: open
});
