// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.element as element';
'require latchkey.text as text';
'require latchkey.link as link';
'require latchkey.fields as fields';

// The panels that hand a knock to a client: QR code, link to copy, lines for a shell, files to save.

const E = element.make;

// Lets the style sheet set the size: the library writes a fixed one.
function scale(svg) {
	if (!svg || svg.hasAttribute('viewBox'))
		return;
	svg.setAttribute('viewBox', '0 0 ' + svg.getAttribute('width') + ' ' + svg.getAttribute('height'));
	svg.setAttribute('shape-rendering', 'crispEdges');
	svg.removeAttribute('width');
	svg.removeAttribute('height');
}

// Bytes from which on a code has so many dots that it is drawn larger, and with fewer of them.
const LARGE = 200;

// qr(text) returns an SVG text (LuCI's uqr). The SVG holds no text of ours, only dots.
function code(qr, text, label) {
	const isLarge = text.length > LARGE;
	const box = E('div', { 'class': isLarge ? 'lk-qr lk-qr-large' : 'lk-qr', 'role': 'img', 'aria-label': label, 'tabindex': '-1' });

	box.appendChild(element.drawing(qr(text, { ecc: isLarge ? 'L' : 'M' })));
	scale(box.querySelector('svg'));

	return box;
}

// The clipboard of the page, or on plain http the selection.
function copy(field) {
	if (navigator.clipboard && window.isSecureContext)
		return navigator.clipboard.writeText(field.value);

	field.focus();
	field.select();

	return document.execCommand('copy') ? Promise.resolve() : Promise.reject(new Error('copy'));
}

function copyButton(field) {
	const button = E('button', { 'class': 'btn cbi-button', 'type': 'button' }, [ _('Copy') ]);

	button.addEventListener('click', function() {
		copy(field).then(function() {
			button.textContent = _('Copied');
		}, function() {
			button.textContent = _('Press Ctrl+C');
		});
	});

	return button;
}

let lines = 0;

// A text to copy, with its name and what it is for.
function line(label, value, help) {
	const id = 'lk-share-' + (++lines);
	const field = E('input', { 'id': id, 'type': 'text', 'readonly': '', 'class': 'cbi-input-text lk-copy', 'value': value,
		'spellcheck': 'false', 'autocomplete': 'off' });

	return E('div', { 'class': 'lk-line' }, [
		E('label', { 'for': id }, [ label ]),
		E('div', { 'class': 'lk-line-row' }, [ field, copyButton(field) ]),
		help ? E('small', [ help ]) : ''
	]);
}

function file(label, name, type, content, help) {
	return E('div', { 'class': 'lk-line' }, [
		E('a', { 'class': 'btn cbi-button cbi-button-action', 'download': name,
			'href': 'data:' + type + ';charset=utf-8,' + encodeURIComponent(content) }, [ label ]),
		help ? E('small', [ help ]) : ''
	]);
}

function once() {
	return E('p', { 'class': 'lk-once' }, [
		E('strong', [ _('Shown this once.') ]), ' ',
		_('Whoever sees this code can open the doors of this client. If it gets lost, make a new key.')
	]);
}

// The link itself, for whom it has to be: only at a press, because it holds the key.
function linkItself(t, error) {
	const box = E('div', { 'class': 'lk-line' });
	const go = fields.button(_('Show the link itself'), '', function() {
		fields.attempt(go, error, function() {
			return t.link().then(function(link) {
				fields.fill(box, [
					line(_('Link'), link, _('For the page’s own field, or for “latchkey add -”: send it on a way that you trust.')),
					E('p', [ E('strong', [ _('The key is in it.') ]), ' ',
						_('Whoever sees it can open the doors of this client. Do not open it as an address, and do not type it as a command: both are remembered.') ])
				]);
			});
		});
	});

	fields.fill(box, [ go ]);

	return box;
}

// The code that only the scanner of the installed app reads: at a press, too, because it holds the key.
function appCode(t, error) {
	const box = E('div', { 'class': 'lk-line' });
	const go = fields.button(_('Show the code for the installed app'), '', function() {
		fields.attempt(go, error, function() {
			return t.app().then(function(text) {
				fields.fill(box, [
					t.appPage ? line(_('Address of the app'), t.appPage, _('Open it on the phone and install it first: a code can be scanned by the installed app only.')) : '',
					code(t.qr, text, _('QR code for the installed app')),
					E('p', [ E('strong', [ _('The key is in it.') ]), ' ',
						_('Scan it with the app itself: no camera app can open it. Whoever else photographs it can open the doors of this client.') ])
				]);
				box.querySelector('.lk-qr').focus();
			});
		});
	});

	fields.fill(box, [ go, E('small', [ _('Only for who has installed the knock page as an app from an https address: such an app may not ask the router, so it scans the settings themselves.') ]) ]);

	return box;
}

// What the router finds doubtful about the settings that it hands out. Of addresses that may change, mayChange
// says more: which, and the remedy.
function doubts(warnings, mayChange) {
	const all = [].concat(warnings || []);
	const others = all.filter(function(w) { return w.word != 'may-change'; });

	return E('div', { 'role': 'status' }, [ (others.length < all.length) ? mayChange() : '' ].concat(fields.conflictList(others.map(link.warning))));
}

// A client of our own kind. t: { qr, offer() -> promise of { address, minutes, warnings }, link() and app() -> promises of
// a text, mayChange() -> a node }; offered is what a first offer() gave.
function latchkeyPanel(t, offered) {
	const root = E('div', { 'class': 'lk-share' });

	function show(o) {
		const error = E('p', { 'class': 'lk-error', 'role': 'alert' });
		const again = fields.button(_('Show a new code'), '', function() {
			fields.attempt(again, error, function() {
				return t.offer().then(function(fresh) {
					show(fresh);
					root.querySelector('.lk-qr').focus();
				});
			});
		});

		fields.fill(root, [
			doubts(o.warnings, t.mayChange),
			E('div', { 'class': 'lk-share-top' }, [
				code(t.qr, o.address, _('QR code for the client')),
				E('ol', { 'class': 'lk-steps' }, [
					E('li', [ _('In your home network, scan the code with the client’s camera and open the page.') ]),
					E('li', [ _('Save the page there: the key is in it, so keep it to yourself.') ]),
					E('li', [ _('Switch Wi-Fi off, open the saved page and press the door. The knock shows up here under Overview.') ])
				])
			]),
			E('p', { 'class': 'lk-once' }, [
				E('strong', [ text.say(_('Works once, within {minutes} minutes, in your home network.'), { minutes: o.minutes }) ]), ' ',
				_('Whoever uses it first gets the key of this client.')
			]),
			line(_('Command line'), 'latchkey add ' + o.address, _('For a laptop with the program “latchkey”, instead of the QR code.')),
			E('div', { 'class': 'lk-line' }, [
				E('a', { 'class': 'btn cbi-button cbi-button-action', 'href': o.address, 'target': '_blank', 'rel': 'noopener noreferrer' },
					[ _('Open the knock page here') ]),
				E('small', [ _('Makes a client of the phone or laptop in front of you. It uses this code up.') ])
			]),
			E('div', { 'class': 'lk-line' }, [ again ]),
			appCode(t, error),
			linkItself(t, error),
			error
		]);
	}
	show(offered);

	return root;
}

// A client of kind fwknop. t: { qr, text, rc, port }
function fwknopPanel(t) {
	return E('div', { 'class': 'lk-share' }, [
		E('div', { 'class': 'lk-share-top' }, [
			code(t.qr, t.text, _('QR code with the two keys for the Fwknop2 app')),
			E('ol', { 'class': 'lk-steps' }, [
				E('li', [ _('In the app Fwknop2, make a new configuration and scan this code: it fills in both keys.') ]),
				E('li', [ _('Type the router’s address and the port of the door yourself; the code cannot carry them.') ])
			])
		]),
		once(),
		line(_('Keys'), t.text),
		file(_('Save fwknop configuration'), 'fwknoprc', 'text/plain', t.rc, _('For the program “fwknop”: append it to the file .fwknoprc.'))
	]);
}

function replayNote() {
	return E('p', { 'class': 'lk-replay' }, [
		E('span', { 'class': 'lk-badge lk-pending' }, [ _('can be replayed') ]), ' ',
		_('Whoever sees these packets on their way can send them again later. Where you can, use a client with a key.')
	]);
}

// A sequence. t: { name, json, knock, latchkey, knockd }; knock and knockd may be null.
function sequencePanel(t) {
	return E('div', { 'class': 'lk-share' }, [
		replayNote(),
		file(_('Save file for “Knock on Ports”'), t.name + '.json', 'application/json', t.json,
			_('For the Android app “Knock on Ports”: menu, Import.')),
		t.knock ? line(_('Program “knock”'), t.knock, _('From the package knockd, on Linux, macOS or Termux.')) : '',
		line(_('Program “latchkey”'), t.latchkey),
		t.knockd ? file(_('Save as knockd.conf'), t.name + '-knockd.conf', 'text/plain', t.knockd,
			_('For other apps that read the configuration of knockd.')) : ''
	]);
}

return baseclass.extend({
	line: line,
	file: file,
	replayNote: replayNote,
	latchkeyPanel: latchkeyPanel,
	fwknopPanel: fwknopPanel,
	sequencePanel: sequencePanel
});
