// SPDX-License-Identifier: Apache-2.0

// The ubus object "latchkey": rpcd's bridge to latchkeyd's socket, and what has to do with keys.
// Which of the methods a LuCI account may call is in luci-app-latchkey's ACL.

'use strict';

import { cursor } from 'uci';
import { lsdir, open, popen, readfile, stat, unlink } from 'fs';
import { connect as ubus } from 'ubus';
import { timer } from 'uloop';
import { connect, poll, MSG_DONTWAIT, POLLIN, POLLOUT } from 'socket';
import { change, inForce } from 'latchkey.change';

const CONFIG = '/etc/config';
const SOCKET = '/var/run/latchkey/latchkey.sock';
const PROBLEMS = '/var/run/latchkey.init/problems'; // of a configuration that the init script refused
const SAVED = '/var/run/latchkey.init/saved';       // the last configuration that it took
const SCRATCH = '/var/run/latchkey.rpc';            // of root, for texts that may hold keys
const OFFERS = '/var/run/latchkey.offers';          // of root, where links wait to be picked up
const PATIENCE = 3000;                              // milliseconds from a question to the end of its answer
const LONGEST = 1048576;                            // bytes of an answer
const UNDO = 30000;                                 // milliseconds until a change that nobody confirms is taken back

const UNABLE = 'latchkeyd could not be run';

const NOT_RUNNING = {
	running: false,
	error: 'latchkeyd is not running',
	hint: 'switch it on, or read in the log why it does not start'
};

// quoted writes a text as the shell and configurations take any: between quotes.
function quoted(text) {
	return `'${replace(text ?? '', /'/g, `'\\''`)}'`;
}

// now is the time in milliseconds of a clock that nobody sets.
function now() {
	const t = clock(true);

	return t[0] * 1000 + t[1] / 1000000;
}

// ask sends one request and returns the result, { error, hint }, or NOT_RUNNING.
function ask(request) {
	const end = now() + PATIENCE;
	const s = connect({ path: SOCKET }, null, null, PATIENCE);
	let question = sprintf('%J\n', request), line = '';

	if (!s)
		return NOT_RUNNING;

	// rpcd serves everybody in turn: a daemon that is slow, or was taken over, must not hold it up.
	while (substr(line, -1) != '\n' && length(line) < LONGEST && now() < end) {
		const events = poll(end - now(), [ s, length(question) ? POLLIN | POLLOUT : POLLIN ])?.[0]?.[1] ?? 0;

		if (length(question) && (events & POLLOUT))
			question = substr(question, s.send(question, MSG_DONTWAIT) ?? length(question));

		if (events & ~POLLOUT) {
			const more = s.recv(65536, MSG_DONTWAIT);

			if (!length(more))
				break;
			line += more;
		}
	}
	s.close();

	if (substr(line, -1) != '\n')
		return { error: 'latchkeyd did not answer', hint: 'look for it in the log' };

	const answer = json(line);

	return answer.error ? { error: answer.error, hint: answer.hint ?? '' } : answer.result ?? {};
}

// events asks for a list: an answer on ubus is an object.
function events(since) {
	const result = ask({ method: 'events', since });

	return type(result) == 'array' ? { events: result } : result;
}

// problem tells why the configuration was refused; "" if it was not.
function problem() {
	const lines = split(trim(readfile(PROBLEMS) ?? ''), '\n');
	const errors = filter(lines, l => match(l, /^error: /));
	const hints = filter(lines, l => match(l, /^hint: /));

	return join('\n', map(length(errors) ? [ ...errors, ...hints ] : lines, l => replace(l, /^(error|hint): /, '')));
}

// process tells what procd knows of the daemon: 'running', also before its socket is there, 'ended', or ''.
function process() {
	const main = ubus()?.call('service', 'list', { name: 'latchkey' })?.latchkey?.instances?.main;

	return main ? (main.running ? 'running' : 'ended') : '';
}

// memory returns how many bytes of memory the daemon takes up. The kernel knows who listens: procd knows the
// number of its jail only.
function memory() {
	const s = connect({ path: SOCKET }, null, null, PATIENCE);
	const found = match(readfile(`/proc/${s?.peercred()?.pid}/status`) ?? '', /VmRSS:[ \t]*([0-9]+) kB/);

	s?.close();

	return found ? found[1] * 1024 : null;
}

// wanted returns what latchkeyd firewall says of this router, by its words: { enabled: [ '1' ], interface: [ 'wan' ] };
// of a configuration that is refused the first alone, {} if it cannot tell.
function wanted() {
	const found = {};
	const p = popen(`/usr/bin/latchkeyd firewall ${CONFIG}/latchkey ${CONFIG}/firewall 2>/dev/null`);

	for (let line in split(p?.read('all') ?? '', '\n')) {
		const m = match(line, /^([a-z]+) (.+)$/);

		if (m)
			push(found[m[1]] ??= [], m[2]);
	}
	p?.close();

	return found;
}

let said = {}; // by latchkeyd, the last time: whether it shall run, and of which file

// isOn reports whether latchkeyd shall run; null if nobody can say. The pages ask every few seconds, so each file is
// looked at once.
function isOn() {
	const s = stat(`${CONFIG}/latchkey`);
	const file = `${s?.inode} ${s?.size} ${s?.mtime}`;

	if (said.file != file) {
		const enabled = s ? wanted().enabled?.[0] : '0';

		said = enabled ? { file, on: enabled == '1' } : {};
	}

	return said.on;
}

function status() {
	const s = ask({ method: 'status' });

	if (s.running == null)
		return s;
	if (s.running)
		return { ...s, problem: s.problem || problem(), memory: memory() };

	const on = isOn();

	return {
		running: false,
		enabled: on ?? true, // LuCI tells the reason of what should run
		process: process(),
		reason: on == null ? UNABLE : problem(),
		devices: [], doors: [], clients: []
	};
}

// run gives text to a command of latchkeyd as its last argument, a file. It returns { code, out, said }: what it
// prints, and what it says beside that, in lines.
function run(command, text) {
	unlink(SCRATCH);

	const f = open(SCRATCH, 'wx', 0o600);

	f?.write(text);
	f?.close();

	const p = popen(`umask 077; /usr/bin/latchkeyd ${command} ${SCRATCH} 2>${SCRATCH}.said`);
	const out = p?.read('all') ?? '', code = p?.close();
	const said = split(readfile(`${SCRATCH}.said`) ?? '', '\n');

	unlink(SCRATCH);
	unlink(`${SCRATCH}.said`);

	return { code, out, said };
}

// refusal is the answer where a command of latchkeyd failed.
function refusal(r) {
	const told = kind => replace(filter(r.said, l => index(l, `latchkeyd: ${kind}: `) == 0)[0] ?? '', /^latchkeyd: [a-z]+: /, '');

	return { error: told('error') || UNABLE, hint: told('hint') };
}

// staged returns the configuration with what was changed by this login, or on the command line, and
// is not in force yet. Of a file that uci cannot read it says nothing, and latchkeyd which line is wrong.
function staged(session) {
	const changes = length(session) ? `-P ${quoted(`/var/run/rpcd/uci-${session}`)}` : '';

	return popen(`/sbin/uci -c ${CONFIG} ${changes} export latchkey`)?.read('all') || readfile(`${CONFIG}/latchkey`) || '';
}

function check(args) {
	const text = args.text || staged(args.ubus_rpc_session ?? '');
	const answer = ask({ method: 'check', text });

	if (type(answer) == 'array')
		return { problems: answer };

	const r = run('check --json', text); // the daemon does not run

	if (!length(r.out))
		return { problems: [ { text: refusal(r).error, line: 0 } ] };
	try {
		return { problems: json(r.out) };
	} catch (e) { // memory, or a signal, may end it in the middle
		return { problems: [ { text: 'latchkeyd check was ended before it had said everything', line: 0 } ] };
	}
}

// translate tells what a configuration of another port knocker is in ours. Code 3 of latchkeyd import says
// that nothing in it can be used as it is: then the comments are what there is to show.
function translate(text) {
	const r = run('import', text);

	return r.code === 0 || r.code === 3 ? { config: r.out } : refusal(r);
}

function dump() {
	return ubus()?.call('network.interface', 'dump')?.interface ?? [];
}

// addresses returns those of the interfaces that knocks come in at, and of others on the same devices: PPPoE makes
// its interface for IPv6 by itself. LuCI's reach.js has the same rule.
function addresses(names) {
	const found = [], all = dump();
	const devices = map(filter(all, i => i.interface in names && i.l3_device), i => i.l3_device);

	for (let i in all)
		if (i.interface in names || i.l3_device in devices)
			for (let a in [ ...(i['ipv4-address'] ?? []), ...(i['ipv6-address'] ?? []) ])
				push(found, a.address);

	return found;
}

// names returns what services of dynamic DNS keep for this router: a name; some have an account there, or a URL, which
// latchkeyd leaves out.
function names(uci) {
	const found = [];

	uci.foreach('ddns', 'service', s => {
		if (s.enabled in [ '1', 'on', 'true', 'yes', 'enabled' ] && iptoarr(s.lookup_host ?? '') == null)
			push(found, s.lookup_host);
	});

	return found;
}

// knockPage returns the URL of the page that this router serves to its LAN.
function knockPage() {
	for (let i in dump())
		if (i.interface == 'lan' && i['ipv4-address']?.[0])
			return `http://${i['ipv4-address'][0].address}/latchkey/`;

	return '';
}

// sectionText is what uci.commit writes for a section.
function sectionText(kind, name, options) {
	const lines = [ `\nconfig ${kind} ${quoted(name)}` ];

	for (let option, value in options)
		for (let v in (type(value) == 'array' ? value : [ value ]))
			if (length(v) && substr(option, 0, 1) != '.') // these are uci's own
				push(lines, `\t${type(value) == 'array' ? 'list' : 'option'} ${option} ${quoted(v)}`);

	return join('\n', lines) + '\n';
}

// link makes a client's link, a secret, by latchkeyd. What this router's other configurations and interfaces know
// goes with the configuration, as options of its section main, unless the owner wrote it. args may say where its own
// page is found.
function link(args) {
	const uci = cursor(CONFIG);
	const found = {
		found_host: [ ...names(uci), ...addresses(wanted().interface ?? []) ],
		found_name: uci.get('latchkey', 'main', 'name') ? '' : uci.get('system', uci.get_first('system', 'system') ?? '', 'hostname'),
		found_page: uci.get('latchkey', 'main', 'page') ? '' : args.page || knockPage()
	};

	const r = run(`link ${args.app ? '--app' : ''} -- ${quoted(args.client)}`, readfile(`${CONFIG}/latchkey`) + sectionText('latchkey', 'main', found));

	if (r.code !== 0)
		return refusal(r);

	return {
		link: trim(r.out),
		warnings: map(map(filter(r.said, length), l => match(l, /^(warning|useless): ([a-z-]+): (.*)$/)), m => ({ word: m?.[2], text: m?.[3], useless: m?.[1] == 'useless' }))
	};
}

// offer lets a client's link be picked up once, at this router's own page, by the address that it returns. The
// link goes through a file of root's; what stays is sealed, see SPEC.md, section 5.
function offer(args) {
	const made = link(args);
	const useless = filter(made.warnings ?? [], w => w.useless);
	const page = args.page || knockPage();

	if (made.error)
		return made;
	if (length(useless))
		return { error: useless[0].text, hint: 'no device could use the link', warnings: useless };
	if (!length(page))
		return { error: 'this router has no page to pick the link up at', hint: 'name one: page' };

	const r = run(`offer --folder ${OFFERS} --page ${quoted(page)} -- ${quoted(args.client)}`, made.link);
	const words = split(trim(r.out), ' ');

	return r.code === 0 ? { address: words[0], minutes: +words[1], warnings: made.warnings } : refusal(r);
}

// pickup hands out what is offered under a name, once, to anybody: only a client's code opens it. For a
// name that was never given no program runs.
function pickup(args) {
	const p = args.name in (lsdir(OFFERS) ?? [])
		? popen(`/usr/bin/latchkeyd pickup --folder ${OFFERS} ${quoted(args.name)} 2>/dev/null`) : null;
	const answer = trim(p?.read('all') ?? '');

	p?.close();

	return length(answer) ? { answer } : { error: 'nothing is offered under this name', hint: 'let the router show a new code' };
}

// newclient makes a client with a key of its own, puts it in force, and returns its link.
function newclient(args) {
	const uci = cursor(CONFIG);

	if (uci.get('latchkey', args.name))
		return { error: `there is a section '${args.name}' already`, hint: 'choose another name' };

	const doors = filter(map(args.door ?? [], d => `${d}`), length); // texts, as a configuration has them
	const options = { key: trim(popen('/usr/bin/latchkeyd newkey')?.read('all') ?? '') };

	for (let option, value in { title: args.title, expires: args.expires, door: doors })
		if (length(value))
			options[option] = value;

	const before = staged('');
	const checked = check({ text: before + sectionText('client', args.name, options) });
	const wrong = filter(checked.problems, p => !p.warning)[0];

	if (wrong) // as good as not started at the next boot
		return {
			error: `the configuration would be refused: ${wrong.text}`,
			hint: wrong.line > length(split(before, '\n')) && !wrong.section ? 'a name has letters, digits and _ only, the title can be any text' : 'nothing was changed'
		};

	const failed = change(CONFIG, 'latchkey', uci => {
		let done = uci.set('latchkey', args.name, 'client');

		for (let option, value in options)
			done &&= uci.set('latchkey', args.name, option, value);

		return done;
	}, SAVED);

	if (failed)
		return failed;

	return link({ client: args.name, page: args.page });
}

// writeFirewall sets an option of the firewall, or removes it. It returns null or { error, hint }.
function writeFirewall(section, option, value) {
	return change(CONFIG, 'firewall', uci => value == null ? uci.delete('firewall', section, option) : uci.set('firewall', section, option, value));
}

let undo = null; // the change that nobody confirmed yet

// silence makes one option of the firewall silent, and takes that back unless keep is called in time:
// who lost his connection by it cannot.
function silence(args) {
	const uci = inForce(CONFIG, 'firewall');
	let text = '';

	uci?.foreach('firewall', null, s => { text += sectionText(s['.type'], s['.name'], s); });

	const r = run(`silence -- ${quoted(args.section)} ${quoted(args.option)}`, text);

	if (r.code !== 0)
		return refusal(r);
	if (undo)
		return { error: 'another change waits to be confirmed', hint: 'try again in half a minute' };

	const before = uci.get('firewall', args.section, args.option);
	const values = split(trim(r.out), '\n');
	const failed = writeFirewall(args.section, args.option, type(before) == 'array' ? values : join(' ', values));

	if (failed)
		return failed;
	undo = timer(UNDO, () => {
		// Whoever removed the section meanwhile leaves nothing to take back. What cannot be written is tried again.
		if (inForce(CONFIG, 'firewall')?.get('firewall', args.section) && writeFirewall(args.section, args.option, before))
			undo.set(UNDO);
		else
			undo = null;
	});

	return { seconds: UNDO / 1000 };
}

function keep() {
	const kept = undo != null;

	undo?.cancel();
	undo = null;

	return { kept };
}

return {
	latchkey: {
		// What these three tell is for every account that may see Latchkey: no secrets.
		status: { call: status },
		events: {
			args: { since: 0 },
			call: req => events(req.args.since ?? 0)
		},
		radar: { call: () => ask({ method: 'radar' }) },

		open: {
			args: { door: '', address: '', for: '' },
			call: req => ask({ method: 'open', door: req.args.door, address: req.args.address, for: req.args.for })
		},
		close: {
			args: { door: '', address: '', cut: false },
			call: req => ask({ method: 'close', door: req.args.door, address: req.args.address, cut: !!req.args.cut })
		},
		forget: {
			args: { client: '' },
			call: req => ask({ method: 'forget', client: req.args.client })
		},
		silence: { args: { section: '', option: '' }, call: req => silence(req.args) },
		keep: { call: keep },
		restart: { call: () => ({ result: system([ '/etc/init.d/latchkey', 'restart' ]) == 0 }) },
		check: { args: { text: '' }, call: req => check(req.args) },
		import: { args: { text: '' }, call: req => translate(req.args.text ?? '') },
		link: { args: { client: '', page: '', app: false }, call: req => link(req.args) },
		offer: { args: { client: '', page: '' }, call: req => offer(req.args) },
		newclient: {
			args: { name: '', title: '', door: [], expires: '', page: '' },
			call: req => newclient(req.args)
		},

		// The one method that is open to everybody in the LAN, by luci-app-latchkey's second list.
		pickup: { args: { name: '' }, call: req => pickup(req.args) }
	}
};
