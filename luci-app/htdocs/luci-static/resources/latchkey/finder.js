// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.element as element';

// A list of cards that begins short: the first few, a button for the others, and a field that finds some by their
// words. What is not shown is not made.

const E = element.make;

const FEW = 24;   // up to so many cards are all shown,
const FIRST = 12; // of more these at first

// Returns { node, show(items) }, which draws items: [{ words, addresses, node() }], and remembers what is looked for:
// something in the words, or how one of the addresses begins, if there are any. label is
// that of the field, all(n) the words of the button.
function list(label, all) {
	let items = [], isWhole = false, hasField = false;

	const field = E('input', { 'type': 'search', 'class': 'cbi-input-text', 'data-key': 'find', 'aria-label': label, 'placeholder': label, 'autocomplete': 'off',
		'input': function() { // the others are to be shown of what is found, each time when they are asked for
			isWhole = false;
			draw();
		} });
	const none = E('p', { 'class': 'lk-empty', 'role': 'status' });
	const cards = E('div', { 'class': 'lk-doors' });
	const others = E('button', { 'type': 'button', 'class': 'btn cbi-button', 'data-key': 'others', 'click': function() {
		isWhole = true;
		draw();
		cards.children[FIRST].tabIndex = -1; // the button that had the focus is gone
		cards.children[FIRST].focus();
	} });

	function draw() {
		const shown = (isWhole || items.length <= FEW) ? items.length : FIRST;
		const wanted = field.value.trim().toLowerCase();
		const found = items.filter(function(i) {
			return i.words.toLowerCase().indexOf(wanted) >= 0 || (i.addresses || []).some(function(a) { return a.indexOf(wanted) == 0; });
		});

		element.say(none, found.length ? '' : text.say(_('Nothing is called “{words}”.'), { words: field.value.trim() }));
		element.say(others, all(found.length));
		others.hidden = found.length <= shown;
		cards.replaceChildren.apply(cards, found.slice(0, shown).map(function(i) { return i.node(); }));
	}

	const node = E('div', [ cards ]);

	return {
		node: node,
		show: function(now) {
			const needsField = now.length > FEW || field.value != '';

			items = now;
			if (needsField != hasField) // else what has the focus stays where it is
				node.replaceChildren.apply(node, needsField
					? [ E('div', { 'class': 'lk-filter' }, [ field ]), none, cards, E('div', { 'class': 'lk-foot' }, [ others ]) ] : [ cards ]);
			hasField = needsField;
			draw();
		}
	};
}

return baseclass.extend({
	FEW: FEW,
	list: list
});
