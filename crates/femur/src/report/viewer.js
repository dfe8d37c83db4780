const bytes = (s) => Uint8Array.from(atob(s), (c) => c.charCodeAt(0)).buffer;
const root = document.getElementById(data.id), canvas = root.querySelector("canvas");
const points = new Float32Array(bytes(data.points)), index = new Uint32Array(bytes(data.index));
const truth = new Float32Array(bytes(data.truth)), prediction = new Float32Array(bytes(data.prediction));
const error = prediction.map((v, i) => v - truth[i]), n = points.length / 3;
const extent = (...lists) => lists.reduce((a, l) => l.reduce((b, v) => [Math.min(b[0], v), Math.max(b[1], v)], a), [Infinity, -Infinity]);
const worst = Math.max(...extent(error).map(Math.abs)), common = extent(truth, prediction), own = [-worst, worst];
const colors = [[68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137], [53, 183, 121], [109, 205, 89], [180, 222, 44], [253, 231, 37]];
// Errors are symmetric about a light zero, as in compare.py.
const signed = [[59, 76, 192], [98, 130, 234], [141, 176, 254], [184, 208, 249], [221, 221, 221], [221, 221, 221], [245, 196, 173], [244, 154, 123], [222, 96, 77], [180, 4, 38]];
const gl = canvas.getContext("webgl2", { antialias: true });
if (!gl) { root.querySelector("figcaption").textContent = "This browser has no WebGL2: see the pictures below."; return; }
const compile = (type, source) => { const s = gl.createShader(type); gl.shaderSource(s, source); gl.compileShader(s); return s; };
const program = gl.createProgram();
gl.attachShader(program, compile(gl.VERTEX_SHADER, `#version 300 es
in vec3 p; in float v; uniform mat3 turn; uniform vec3 middle; uniform vec2 scale; uniform vec2 range; out float s; out vec3 q;
void main() { q = turn * (p - middle); gl_Position = vec4(q.xy * scale, -q.z * 0.1 * scale.y, 1.0); s = (v - range.x) / max(range.y - range.x, 1e-30); }`));
gl.attachShader(program, compile(gl.FRAGMENT_SHADER, `#version 300 es
precision highp float; in float s; in vec3 q; uniform vec3 map[10]; out vec4 color;
void main() { float x = clamp(s, 0.0, 1.0) * 9.0; int k = min(int(x), 8); vec3 n = normalize(cross(dFdx(q), dFdy(q)));
color = vec4(mix(map[k], map[k + 1], x - float(k)) * (0.6 + 0.4 * abs(n.z)), 1.0); }`));
gl.linkProgram(program); gl.useProgram(program);
const at = (name) => gl.getUniformLocation(program, name);
const buffer = (target, values) => { const b = gl.createBuffer(); gl.bindBuffer(target, b); gl.bufferData(target, values, gl.DYNAMIC_DRAW); return b; };
buffer(gl.ARRAY_BUFFER, points);
const p = gl.getAttribLocation(program, "p"), v = gl.getAttribLocation(program, "v");
gl.enableVertexAttribArray(p); gl.vertexAttribPointer(p, 3, gl.FLOAT, false, 0, 0);
const values = buffer(gl.ARRAY_BUFFER, truth.subarray(0, n));
gl.enableVertexAttribArray(v); gl.vertexAttribPointer(v, 1, gl.FLOAT, false, 0, 0);
buffer(gl.ELEMENT_ARRAY_BUFFER, index);
gl.enable(gl.DEPTH_TEST);
const lows = [0, 1, 2].map((d) => extent(points.filter((_, i) => i % 3 === d)));
gl.uniform3f(at("middle"), ...lows.map((b) => (b[0] + b[1]) / 2));
const size = Math.max(...lows.map((b) => b[1] - b[0])), flat = lows[2][0] === lows[2][1];
let a, e, zoom;
const home = () => { a = flat ? 0 : -0.6; e = flat ? 0 : -1.1; zoom = 1; };
const select = root.querySelector("select"), slider = root.querySelector("input");
const text = (v) => (Math.abs(v) >= 1e4 || (v && Math.abs(v) < 1e-2) ? v.toExponential(2) : v.toPrecision(4)) + " " + data.unit;
const draw = () => {
  const list = { truth, prediction, error }[select.value], isError = select.value === "error", k = +slider.value;
  const range = isError ? own : common, map = isError ? signed : colors;
  root.querySelector(".bar").style.background = `linear-gradient(90deg,${map.map((c) => `rgb(${c})`)})`;
  gl.uniform3fv(at("map"), map.flat().map((c) => c / 255));
  canvas.width = canvas.clientWidth * devicePixelRatio; canvas.height = canvas.clientHeight * devicePixelRatio;
  gl.viewport(0, 0, canvas.width, canvas.height); gl.clearColor(0, 0, 0, 0); gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  gl.bindBuffer(gl.ARRAY_BUFFER, values); gl.bufferSubData(gl.ARRAY_BUFFER, 0, list.subarray(k * n, (k + 1) * n));
  const [ca, sa, ce, se] = [Math.cos(a), Math.sin(a), Math.cos(e), Math.sin(e)];
  gl.uniformMatrix3fv(at("turn"), false, [ca, sa * ce, sa * se, -sa, ca * ce, ca * se, 0, -se, ce]);
  const s = (1.85 * zoom) / size, wide = canvas.width / canvas.height;
  gl.uniform2f(at("scale"), s, s * wide); gl.uniform2f(at("range"), ...range);
  gl.drawElements(gl.TRIANGLES, index.length, gl.UNSIGNED_INT, 0);
  root.querySelector(".low").textContent = text(range[0]); root.querySelector(".high").textContent = text(range[1]);
  root.querySelector(".time").textContent = data.times.length > 1 ? `t = ${data.times[k]}` : "";
};
canvas.onpointermove = (ev) => { if (ev.buttons) { a += ev.movementX * 0.01; e += ev.movementY * 0.01; draw(); } };
canvas.ondblclick = () => { home(); draw(); };
canvas.onwheel = (ev) => { ev.preventDefault(); zoom *= Math.exp(-ev.deltaY * 0.001); draw(); };
select.onchange = slider.oninput = window.onresize = draw;
home(); draw();
