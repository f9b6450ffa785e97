// SPDX-License-Identifier: Apache-2.0
'use strict';

// What LuCI's client side does with the texts that our views hand to it, for tests in a browser
// without a router. It draws as little as the views need; what counts are the places where LuCI
// takes a string for HTML. They were read in LuCI's luci.js, ui.js and form.js (March 2026), and
// text.test.mjs runs on the real files as well, see LUCI_RESOURCES there:
//
//	E(tag, attributes, x), dom.append, dom.content   x: a node is appended, each entry of a list is a
//	                        node or becomes a text node, any other string is set as innerHTML
//	ui.showModal(title, x)  E('h4', {}, title), then append x
//	ui.addNotification      the same
//	ui tooltips, validation messages, placeholders of fields: texts
//	L.error, so what load() or render() of a view throws: innerHTML
//	form: titles and descriptions of maps, tabs and options, headings of columns: innerHTML
//	textvalue()             a string: innerHTML; the default one escapes the value
//	sectiontitle, modaltitle, inputtitle, addbtntitle   tags are stripped and entities decoded; then
//	                        sectiontitle and buttons are texts, modaltitle is showModal's title
//	labels of choices       nodes are cloned, strings are texts, but for choices that are made later
//	placeholder of a choice innerHTML
//	DummyValue              a text, with rawhtml innerHTML
(function(global) {
	const isNode = x => x != null && typeof(x) == 'object' && 'nodeType' in x;

	function append(node, children) {
		if (Array.isArray(children))
			children.forEach(c => node.appendChild(isNode(c) ? c : document.createTextNode(String(c))));
		else if (isNode(children))
			node.appendChild(children);
		else if (children != null)
			node.innerHTML = String(children);

		return node.lastChild;
	}

	function content(node, children) {
		node.replaceChildren();

		return append(node, children);
	}

	function E(tag, attributes, children) {
		if (Array.isArray(tag))
			return append(document.createDocumentFragment(), tag).parentNode;
		if (attributes == null || typeof(attributes) != 'object' || Array.isArray(attributes) || isNode(attributes)) {
			children = children ?? attributes;
			attributes = {};
		}

		const node = document.createElement(tag);

		for (const [ k, v ] of Object.entries(attributes))
			if (typeof(v) == 'function')
				node.addEventListener(k, v);
			else if (v != null)
				node.setAttribute(k, v);
		append(node, children);

		return node;
	}

	function decoded(s) {
		return new DOMParser().parseFromString('<div>' + s + '</div>', 'text/html').body.textContent.trim();
	}
	const escaped = s => String(s).replace(/[&<>"']/g, c => '&#' + c.charCodeAt(0) + ';');

	const overlay = document.body.appendChild(E('div', { id: 'modal_overlay', hidden: '' }, [ E('div', { 'class': 'modal' }) ]));
	const ui = {
		showModal(title, children, ...classes) {
			const dialog = overlay.firstChild;

			dialog.className = [ 'modal', ...classes ].join(' ');
			content(dialog, E('h4', {}, title));
			append(dialog, children);
			overlay.hidden = false;

			return dialog;
		},
		hideModal() { overlay.hidden = true; },
		addNotification(title, children) {
			const box = E('div', { 'class': 'alert-message' }, [ E('div') ]);

			if (title != null)
				append(box.firstChild, E('h4', {}, title));
			append(box.firstChild, children);
			document.getElementById('maincontent').prepend(box);
		},
		createHandlerFn(self, fn, ...args) {
			const run = (typeof(fn) == 'string') ? self[fn] : fn;

			return ev => run.call(self, ...args, ev);
		},
		changes: { apply() {} },
		menu: { load: () => Promise.resolve(global.menu ?? {}) }
	};

	// ubus as LuCI's rpc.js speaks it.
	function ubus(object, method, args) {
		return fetch('/ubus', { method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'call', params: [ '0', object, method, args ] }) })
			.then(r => r.json()).then(answer => {
				if (answer.error)
					throw new Error('RPC call to ' + object + '/' + method + ' failed with error ' + answer.error.code + ': ' + answer.error.message);

				return answer.result;
			});
	}
	const rpc = { declare: d => (...values) => ubus(d.object, d.method, Object.fromEntries((d.params || []).map((p, i) => [ p, values[i] ])))
		.then(([ code, data ]) => {
			if (code && d.reject)
				throw new Error('RPC call failed with ubus code ' + code);
			for (const [ key, fallback ] of Object.entries(d.expect || {}))
				return (key == '' ? data : data?.[key]) ?? fallback;

			return data;
		}) };

	const configs = {}, unsaved = []; // calls of ubus's uci, in order
	const uci = {
		load: config => configs[config] ? Promise.resolve() : ubus('uci', 'get', { config }).then(([ code, data ]) => {
			if (code)
				throw new Error('no such configuration');
			configs[config] = data.values;
		}),
		sections: (config, type) => Object.values(configs[config] || {}).filter(s => type == null || s['.type'] == type),
		get: (config, section, option) => option ? configs[config]?.[section]?.[option] : configs[config]?.[section],
		set(config, section, option, value) {
			configs[config][section][option] = value;
			unsaved.push([ 'set', { config, section, values: { [option]: value } } ]);
		},
		unset(config, section, option) {
			delete configs[config][section][option];
			unsaved.push([ 'delete', { config, section, options: [ option ] } ]);
		},
		remove(config, section) {
			delete configs[config][section];
			unsaved.push([ 'delete', { config, section } ]);
		},
		add(config, type, name) {
			configs[config][name] = { '.name': name, '.type': type };
			unsaved.push([ 'add', { config, type, name, values: {} } ]);
		},
		save: () => unsaved.splice(0).reduce((before, [ method, args ]) => before.then(() => ubus('uci', method, args)), Promise.resolve())
	};

	class Value {
		constructor(section, name, title, description) { Object.assign(this, { section, option: name, title, description, map: section.map }); }
		value(key, label) { (this.choices ??= []).push([ key, label ?? key ]); }
		depends() {} // all fields are shown
		cfgvalue(id) { return uci.get('latchkey', id, this.option) ?? this.default; }
		formvalue(id) { return this.fields?.[id]?.value ?? this.cfgvalue(id); }
		getUIElement(id) { return { setValue: v => { this.fields[id].value = v; }, triggerValidation: () => this.fields[id].dispatchEvent(new Event('input')) }; }
		textvalue(id) { return (this.cfgvalue(id) == null) ? null : escaped(this.cfgvalue(id)); }
		labels(tag) {
			return (this.choices || []).map(([ key, label ]) => E(tag, { 'data-value': key, value: key }, [ isNode(label) ? label.cloneNode(true) : label ]));
		}
		input(id, type) {
			const field = E('input', { type, 'aria-label': decoded(this.title), value: this.cfgvalue(id) ?? '', placeholder: this.choices ? null : this.placeholder });

			(this.fields ??= {})[id] = field;
			field.addEventListener('input', () => {
				const ok = this.validate ? this.validate(id, field.value) : true;

				(ok === true) ? field.removeAttribute('data-tooltip') : field.setAttribute('data-tooltip', ok);
			});

			return field;
		}
		renderWidget(id) {
			return E('div', {}, this.choices
				? [ E('ul', {}, [ this.placeholder ? E('li', {}, this.placeholder) : '', ...this.labels('li') ]), this.input(id, 'text') ]
				: [ this.input(id, 'text') ]);
		}
	}
	class ListValue extends Value {
		renderWidget(id) {
			const field = E('select', { 'aria-label': decoded(this.title) }, this.labels('option'));

			field.value = this.cfgvalue(id) ?? field.value;

			return field;
		}
	}
	class DynamicList extends Value {
		formvalue(id) { return this.cfgvalue(id); }
		renderWidget(id) { return E('div', {}, [].concat(this.cfgvalue(id) ?? []).map(v => E('span', {}, [ v ])).concat(this.input(id, 'text'))); }
	}
	class MultiValue extends Value {
		formvalue(id) { return this.cfgvalue(id); }
		renderWidget() { return E('ul', {}, this.labels('li')); }
	}
	class Flag extends Value {
		enabled = '1';
		renderWidget(id) {
			const field = this.input(id, 'checkbox');

			field.checked = this.cfgvalue(id) == '1';

			return field;
		}
	}
	class DummyValue extends Value {
		renderWidget(id) { return E('output', {}, this.rawhtml ? this.cfgvalue(id) : [ this.cfgvalue(id) ?? '' ]); }
	}
	class Button extends Value {
		renderWidget(id) { return E('button', { click: ev => this.onclick(ev, id) }, [ decoded(this.inputtitle) ]); }
	}

	class GridSection {
		constructor(map, type) { Object.assign(this, { map, sectiontype: type, children: [], tabs: [] }); }
		super(key, args) { return GridSection.prototype[key].apply(this, args); }
		option(Class, ...args) { return this.children[this.children.push(new Class(this, ...args)) - 1]; }
		taboption(tab, ...args) { return this.option(...args); }
		tab(name, title, description) { this.tabs.push(E('li', {}, title), E('div', {}, description)); }
		formvalue(id, name) { return this.children.find(o => o.option == name && o.modalonly).formvalue(id); }
		getUIElement() { return { setValue() {} }; }
		handleAdd() {}
		handleRemove() {}
		titled(key, id) { return (this[key] == null) ? null : decoded((typeof(this[key]) == 'function') ? this[key](id) : this[key]) || null; }
		renderMoreOptionsModal(id) {
			const fields = this.children.filter(o => o.modalonly !== false).map(o => E('div', {}, [ E('label', {}, o.title), o.renderWidget(id),
				E('div', {}, (o.description || '').trim()) ]));

			ui.showModal(this.titled('modaltitle', id) ?? this.titled('sectiontitle', id) ?? id, [ ...this.tabs, ...fields,
				E('button', { click: ui.hideModal }, [ 'Dismiss' ]) ], 'cbi-modal');

			return Promise.resolve();
		}
		renderRowActions(id, label) {
			return E('td', {}, [ E('div', {}, [ E('button', { click: () => this.renderMoreOptionsModal(id) }, [ label ]),
				E('button', { click: ev => this.handleRemove(id, ev) }, [ 'Delete' ]) ]) ]);
		}
		renderSectionPlaceholder() { return E('em', 'This section contains no values yet'); }
		render() {
			const columns = this.children.filter(o => !o.modalonly);
			const named = !this.anonymous || this.sectiontitle;
			const rows = uci.sections('latchkey', this.sectiontype).map(s => E('tr', { 'data-title': named ? this.titled('sectiontitle', s['.name']) ?? s['.name'] : null }, [
				...(named ? [ E('td', {}, [ this.titled('sectiontitle', s['.name']) ?? s['.name'] ]) ] : []),
				...columns.map(o => E('td', { 'data-title': decoded(o.title) }, o.editable ? o.renderWidget(s['.name']) : o.textvalue(s['.name']) ?? E('em', 'none'))),
				this.renderRowActions(s['.name'], 'Edit') ]));

			return E('div', { 'class': 'cbi-section' }, [
				E('table', {}, [ E('tr', {}, [ ...(named ? [ E('td') ] : []), ...columns.map(o => E('th', {}, o.title)) ]), ...(rows.length ? rows : [ E('tr', {}, E('td', {}, this.renderSectionPlaceholder())) ]) ]),
				E('div', {}, [ this.anonymous ? '' : E('input', { 'class': 'cbi-section-create-name' }),
					E('button', { click: ev => this.handleAdd(ev, ev.target.previousSibling?.value) }, [ this.titled('addbtntitle') ?? 'Add' ]) ])
			]);
		}
	}
	class NamedSection {
		constructor(map, id, type) { Object.assign(this, { map, section: id, sectiontype: type, children: [] }); }
		option(Class, ...args) { return this.children[this.children.push(new Class(this, ...args)) - 1]; }
		formvalue(id, name) { return this.children.find(o => o.option == name).formvalue(id); }
		render() {
			return Promise.all(this.children.map(o => Promise.resolve(o.renderWidget(this.section)).then(widget => E('div', { 'class': 'cbi-value' }, [
				E('label', { 'class': 'cbi-value-title' }, o.title), E('div', { 'class': 'cbi-value-field' }, [ widget, E('div', { 'class': 'cbi-value-description' }, o.description) ]) ]))))
				.then(rows => E('div', { 'class': 'cbi-section' }, rows));
		}
	}
	class NetworkSelect extends MultiValue {
		renderWidget(id) {
			uci.sections('network', 'interface').forEach(s => this.value(s['.name'], E('span', {}, s['.name'] + ': ')));

			return super.renderWidget(id);
		}
	}
	class Map {
		constructor(config, title, description) { Object.assign(this, { title, description, sections: [] }); }
		section(Class, ...args) { return this.sections[this.sections.push(new Class(this, ...args)) - 1]; }
		render() {
			return Promise.all([ ubus('session', 'access', {}), uci.load('latchkey') ]).then(() => Promise.all(this.sections.map(s => s.render())))
				.then(sections => E('div', { 'class': 'cbi-map' }, [ E('h2', {}, this.title), E('div', {}, this.description), ...sections ]));
		}
	}

	class View {
		handleSave() { return Promise.resolve(); }
	}
	const view = { prototype: View.prototype, extend: members => Object.assign(new View(), members) };

	const L = {
		env: {}, hasViewPermission: () => global.writer, resource: path => '/luci-static/resources/' + path, url: path => '/cgi-bin/luci/' + path,
		error(e) { ui.addNotification(e.name, E('pre', {}, e.message)); }
	};

	// What LuCI does on a page of a view: views are shown in #view, with the buttons of their footer.
	function show(v) {
		const place = document.getElementById('view');

		return Promise.resolve().then(() => v.load()).then(data => v.render(data)).then(nodes => {
			content(place, nodes);
			if (v.handleSaveApply)
				place.appendChild(E('button', { click: ev => v.handleSaveApply(ev, '0') }, [ 'Save & Apply' ]));
		}).catch(L.error);
	}

	global.polls = []; // what pages ask for again and again; a test does it, or time if the page is live
	global.Luci = {
		L, E, show, content,
		modules: {
			ui, uci, rpc, view, dom: { append, content },
			poll: { add(fn, seconds) { global.polls.push(fn); if (global.live) setInterval(fn, seconds * 1000); } },
			form: { Map, GridSection, NamedSection, Value, ListValue, DynamicList, MultiValue, Flag, DummyValue, Button },
			'tools.widgets': { NetworkSelect },
			uqr: { renderSVG: () => '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>' }
		}
	};
})(globalThis);
