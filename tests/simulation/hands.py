"""What people and other controllers do to the objects of a cluster in memory."""

from dataclasses import replace

from tests.simulation.state import NAME, NAMESPACE, State

from recsys_api.model_action import ModelActionSpec, ModelActionStatus
from recsys_api.model_status import RecommenderModelStatus
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_operator.core.world import (
    ActionView,
    ModelView,
    RouteIntent,
    RouteView,
)


def taken(model: ModelView | None, route: RouteView | None) -> bool:
    """Whether a person has the route."""
    return (model is not None and model.manual) or (route is not None and route.unmanaged)


class Hands(State):
    """kubectl, nodes and autoscalers."""

    def apply_model(self, spec: RecommenderModelSpec) -> None:
        """kubectl apply."""
        if self.model is None:
            self.model = ModelView(NAMESPACE, NAME, self._uid("model"), self._rv(), 1, spec, RecommenderModelStatus())
        elif self.model.spec != spec:
            self.model = replace(
                self.model, spec=spec, invalid="", generation=self.model.generation + 1, resource_version=self._rv()
            )

    def break_spec(self) -> None:
        """A spec that the operator cannot parse: the CRD is newer than it, or older."""
        assert self.model is not None
        self.model = replace(
            self.model, spec=None, invalid="spec: of another time", generation=self.model.generation + 1,
            resource_version=self._rv(),
        )  # fmt: skip

    def annotate(self, value: str) -> None:
        """kubectl annotate."""
        assert self.model is not None
        annotations = {**self.model.annotations, "recsys.dev/action": value}
        self.model = replace(self.model, annotations=annotations, resource_version=self._rv())

    def delete_model(self) -> None:
        """kubectl delete: the route and the Secret go with it."""
        self.model, self.route, self.keys, self.stable_service = None, None, False, None

    def create_action(self, verb: str, version: str | None = None) -> str:
        """kubectl create."""
        uid = self._uid("action")
        spec = ModelActionSpec(model_name=NAME, verb=verb, version=version, requested_by="ann")  # type: ignore[arg-type]
        self.actions[uid] = ActionView(uid, uid, self._rv(), self.now, spec, ModelActionStatus())
        return uid

    def kill_pod(self, name: str, unread_seconds: float = 1.0) -> None:
        """A node dies, and with it what its pod counted in so many seconds."""
        pod = self.pods.pop(name, None)
        if pod is not None and pod.ready:
            share = self.weight(pod.version) / 100 / (self.ready(pod.version) + 1)
            self.unread[pod.version] = self.unread.get(pod.version, 0.0) + self.rate * share * unread_seconds

    def blink(self, name: str, seconds: float) -> None:
        """A pod is not ready for some seconds."""
        if name in self.pods:
            self.pods[name] = replace(self.pods[name], ready=False, created_at=self.now + seconds - 2)

    def lower_by_hand(self) -> None:
        """Somebody edits the HTTPRoute: no user for the candidate."""
        if self.route is not None and self.route.intent.weight > 0:
            self._set_route(RouteIntent(self.route.intent.stable), self.route.decision)

    @property
    def route_is_taken(self) -> bool:
        """Whether a person has it."""
        return taken(self.model, self.route)

    def take_route(self, *, by_spec: bool = False) -> None:
        """kubectl annotate httproute recsys.dev/unmanaged, or traffic.management: Manual."""
        self._set_taken(by_spec=by_spec, value=True)

    def give_route_back(self) -> None:
        """In whichever way it was taken."""
        for by_spec in (False, True):
            self._set_taken(by_spec=by_spec, value=False)

    def _set_taken(self, *, by_spec: bool, value: bool) -> None:
        if by_spec and self.model is not None and self.model.manual != value:
            generation = self.model.generation + 1
            self.model = replace(self.model, manual=value, generation=generation, resource_version=self._rv())
        if not by_spec and self.route is not None and self.route.unmanaged != value:
            self.route = replace(self.route, unmanaged=value, resource_version=self._rv())

    def weigh_by_hand(self, weight: int) -> None:
        """Who has the route edits its weights."""
        if self.route is not None and self.route.intent.candidate:
            intent = replace(self.route.intent, weight=weight)
            self.generation += 1
            self.route = replace(self.route, intent=intent, resource_version=self._rv())

    def delete_version(self, name: str) -> None:
        """kubectl delete modelversion: what it owns goes with it."""
        self.versions.pop(name, None)
        self.jobs = {key: job for key, job in self.jobs.items() if job.version != name}
        self.delete_serving(name)

    def delete_services(self, name: str) -> None:
        """kubectl delete service: that of the model and a version's own."""
        self.stable_service = None
        if name in self.serving:
            self.serving[name] = replace(self.serving[name], has_service=False, resource_version=self._rv())

    def delete_serving(self, name: str) -> None:
        """kubectl delete deployment."""
        self.serving.pop(name, None)
        self.pods = {key: pod for key, pod in self.pods.items() if pod.version != name}

    def autoscale(self, name: str) -> None:
        """The HorizontalPodAutoscaler wants another number of pods."""
        view = self.serving[name]
        if view.autoscaler is not None:
            replicas = self.random.randint(view.autoscaler.minimum, view.autoscaler.maximum)
            self.serving[name] = replace(view, replicas=replicas, resource_version=self._rv())
