// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require form';
'require latchkey.text as text';
'require latchkey.element as element';

// Tables of sections with LuCI's own editor, in which every text is a text. LuCI takes the names of
// rows, the heading of the editor, cells and choices for HTML in one place or another, and some of
// them twice; here they are nodes.

const E = element.make;

// The heading of the editor that was just opened.
function head(words) {
	const heading = document.querySelector('#modal_overlay .modal > h4');

	if (heading)
		element.say(heading, words);
}

// A table of all sections of a type. editing(id) returns the heading of the editor of one of them,
// which also goes with a row that a finger drags.
function table(map, type, editing) {
	const s = map.section(form.GridSection, type);

	s.modaltitle = _('Edit');
	s.renderMoreOptionsModal = function(id, ev) {
		return Promise.resolve(form.GridSection.prototype.renderMoreOptionsModal.call(this, id, ev)).then(function() {
			head(editing(id));
		});
	};
	s.handleTouchMove = function(ev) {
		const row = ev.target.closest('[data-sid]');

		if (row && !row.hasAttribute('data-title'))
			row.setAttribute('data-title', text.isolated(editing(row.getAttribute('data-sid'))));

		return form.GridSection.prototype.handleTouchMove.call(this, ev);
	};

	return s;
}

// A column of the table: content(id) returns a node or a text. option names what LuCI sorts it by.
function column(s, option, title, content) {
	const o = s.option(form.DummyValue, option, title);

	o.modalonly = false;
	o.textvalue = function(id) { return E('div', [ content(id) ]); };

	return o;
}

// One more choice of an option. LuCI reads a label that is a string as HTML in some widgets.
function choice(option, value, label) {
	option.value(value, element.words(label));
}

return baseclass.extend({
	table: table,
	column: column,
	choice: choice
});
