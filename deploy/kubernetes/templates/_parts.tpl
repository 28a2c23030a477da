{{- /* What is of one part: (dict "root" $ "service" name "part" name) */ -}}
{{- define "continuum.match" -}}
{app.kubernetes.io/name: {{ .service }}, app.kubernetes.io/component: {{ .part }}, app.kubernetes.io/instance: {{ .root.Release.Name }}}
{{- end }}

{{- define "continuum.labels" -}}
app.kubernetes.io/name: {{ .service }}
app.kubernetes.io/component: {{ .part }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/part-of: continuum
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{- define "continuum.image" -}}
{{ .Values.image.name }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* What every pod of ours is: nobody's account, no rights, nothing to write but /tmp. */ -}}
{{- define "continuum.pod" -}}
automountServiceAccountToken: false
securityContext: {runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001, seccompProfile: {type: RuntimeDefault}}
{{- with .Values.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "continuum.container" -}}
image: {{ include "continuum.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
{{- end }}

{{- define "continuum.resources" -}}
{{ toYaml (.own | default .root.Values.resources) }}
{{- end }}

{{- define "continuum.web" -}}
ports: [{name: http, containerPort: 8080}]
{{- end }}

{{- /* How Kafka is reached: over TLS, as a user with the rights of topics.yaml. */ -}}
{{- define "continuum.kafka.env" -}}
- {name: CONTINUUM_ENV, value: {{ .root.Values.environment }}}
- {name: CONTINUUM_HOST, value: "0.0.0.0"}
- {name: CONTINUUM_PORT, value: "8080"}
- {name: KAFKA_BOOTSTRAP, value: "{{ .root.Values.kafka.name }}-kafka-bootstrap:9093"}
- {name: KAFKA_SESSION_SECONDS, value: {{ ternary "3" "6" .root.Values.kafka.create | quote }}}
- {name: KAFKA_SECURITY_PROTOCOL, value: SASL_SSL}
- {name: KAFKA_CA_FILE, value: /etc/continuum/kafka-ca/ca.crt}
- {name: KAFKA_SASL_USERNAME, value: {{ .user }}}
- {name: KAFKA_SASL_PASSWORD_FILE, value: /etc/continuum/kafka-user/password}
{{- with .root.Values.registry.url }}
- {name: SCHEMA_REGISTRY_URL, value: {{ . | quote }}}
{{- end }}
{{- end }}

{{- define "continuum.kafka.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: kafka-ca, mountPath: /etc/continuum/kafka-ca, readOnly: true}
- {name: kafka-user, mountPath: /etc/continuum/kafka-user, readOnly: true}
{{- end }}

{{- define "continuum.kafka.volumes" -}}
- {name: tmp, emptyDir: {sizeLimit: 64Mi}}
- name: kafka-ca
  secret: {secretName: {{ .root.Values.kafka.name }}-cluster-ca-cert, items: [{key: ca.crt, path: ca.crt}]}
- name: kafka-user
  secret: {secretName: {{ .user }}, items: [{key: password, path: password}]}
{{- end }}

{{- define "continuum.dns" -}}
- to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {k8s-app: kube-dns}}}]
  ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- end }}

{{- define "continuum.to.kafka" -}}
- to: [{podSelector: {matchLabels: {strimzi.io/cluster: {{ .Values.kafka.name }}, strimzi.io/kind: Kafka}}}]
  ports: [{port: 9093, protocol: TCP}]
{{- end }}

{{- /* A registry and a collector, where a place has them. */ -}}
{{- define "continuum.to.further" -}}
{{- if .Values.registry.url }}
- to: {{ toYaml .Values.registry.peers | nindent 4 }}
  ports: [{port: {{ .Values.registry.port }}, protocol: TCP}]
{{- end }}
{{- if .Values.telemetry.otlp }}
- to: {{ toYaml .Values.telemetry.peers | nindent 4 }}
  ports: [{port: {{ .Values.telemetry.port }}, protocol: TCP}]
{{- end }}
{{- end }}

{{- /* Contact points are sealed by who takes them and opened by who sends. */ -}}
{{- define "continuum.telling.env" -}}
- {name: CONTINUUM_SEAL_KEY_FILE, value: /etc/continuum/telling/seal.key}
{{- with .smtp }}
{{- if .host }}
- {name: CONTINUUM_SMTP_HOST, value: {{ .host | quote }}}
- {name: CONTINUUM_SMTP_PORT, value: {{ .port | quote }}}
- {name: CONTINUUM_SMTP_FROM, value: {{ .from | quote }}}
- {name: CONTINUUM_SMTP_SECURITY, value: {{ .security | quote }}}
{{- if .username }}
- {name: CONTINUUM_SMTP_USERNAME, value: {{ .username | quote }}}
- {name: CONTINUUM_SMTP_PASSWORD_FILE, value: /etc/continuum/telling/smtp-password}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
